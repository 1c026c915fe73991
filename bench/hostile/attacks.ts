/** What sandbox A tries, and what may become of B's answers meanwhile. */
import { asking, truncating, ZEROS } from "../../test/hostile/upstream-programs.ts";
import { dnsperf } from "./client.ts";
import { program, UPSTREAM } from "./programs.ts";

export interface Attack {
  readonly name: string;
  /** A's command, given its port and the number of the round; it says something once it attacks. */
  readonly words: (port: number, round: number) => readonly string[];
  /** A has an upstream of its own: its command, which says the port. Missing: the one that B has. */
  readonly upstream?: readonly string[];
  /** What B asks. */
  readonly questions: readonly string[];
  /** B asks over TCP. */
  readonly tcp?: boolean;
  /** B's 99th percentile is compared with that alone; the most that it may grow to, if there is a bar. */
  readonly p99?: { readonly below?: number };
}

const node = (code: string): string[] => [process.execPath, "-e", code];

/** Asks without end. */
const endless = (port: number, name: string, rate: number, more: { names?: number; from?: string } = {}): string[] =>
  node(asking({ name, rate, count: Number.POSITIVE_INFINITY, address: "127.0.0.1", port, ...more }));

const LOCAL = ["web A"];
/** Enough that none comes twice in a round. */
const FORWARDED = Array.from({ length: 10_000 }, (_, i) => `b${i}.good.test A`);
/** So few, and each taking a tenth of a second, that they are in flight nearly all the time. */
const FEW = 200;
const IN_FLIGHT = Array.from({ length: FEW }, (_, i) => `s${i}.soon.test A`);
/** Names nobody had before, so that no failure of an earlier round is remembered. */
const unanswered = (port: number, round: number) => endless(port, `n%.${round}.dead.test`, 2_000);

export const ATTACKS: readonly Attack[] = [
  {
    name: "50 000 local questions/s",
    words: (port) => ["stdbuf", "-oL", ...dnsperf(port, LOCAL, "-W -Q 50000 -q 20000 -c 8 -l 60")],
    questions: LOCAL,
    p99: { below: 3 },
  },
  {
    name: "2 000 questions/s that its upstream never answers",
    words: unanswered,
    upstream: program("upstream"),
    questions: FORWARDED,
  },
  {
    name: "2 000 questions/s that B's upstream never answers",
    words: unanswered,
    questions: FORWARDED,
  },
  {
    name: "its upstream says TC, streams zeros",
    words: (port, round) => endless(port, `n%.${round}.own.test`, 200),
    upstream: node(truncating(ZEROS, UPSTREAM, 0)),
    questions: FORWARDED,
    p99: { below: 3 },
  },
  {
    name: "asks from the upstream's address what B has in flight",
    words: (port) => endless(port, "s%.soon.test", 2_000, { names: FEW, from: UPSTREAM }),
    questions: IN_FLIGHT,
  },
  {
    name: "500 TCP connections, idle, slow and flooding",
    words: (port) => program("crowd", port),
    questions: LOCAL,
    tcp: true,
    p99: {},
  },
];
