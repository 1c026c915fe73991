/**
 * Replays what a real Docker engine was asked, and compares: same rcode, flags, answers, TTLs, and the same choice between
 * answering and forwarding, in `compat: docker`. What differs on purpose is in differences.ts, and only that.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createNode, type ElevenNode } from "../../../src/daemon.ts";
import { DEFAULT_POLICY } from "../../../src/scoping/policy.ts";
import { type At, askTcp, askUdp } from "../../support/ask.ts";
import { query, told } from "../../support/packets.ts";
import { DIFFERENCES } from "./differences.ts";
import { type Case, changesOf, type Scenario } from "./topology.ts";
import { startUpstreams, type Upstreams } from "./upstreams.ts";

const SCENARIOS = ["swarm", "bridge", "multinet", "upstream", "upstream2", "malformed", "large", "dynamic"];
/** Groups whose upstreams take seconds: asked all at once, without looking at what was forwarded. */
const SLOW = new Set(["slow-and-dead", "dead"]);

const met = new Set<string>();
let upstreams: Upstreams;

beforeAll(async () => {
  upstreams = await startUpstreams();
});
afterAll(() => upstreams.close());

for (const name of SCENARIOS) {
  const scenario: Scenario = JSON.parse(readFileSync(new URL(`data/${name}.json`, import.meta.url), "utf8"));
  for (const [phase, topology] of Object.entries(scenario.topologies)) {
    if (!scenario.cases.some((c) => c.phase === phase)) continue;
    describe.sequential(`${name}, ${phase}`, () => {
      let node: ElevenNode;
      beforeAll(async () => {
        const both = [upstreams.at("172.31.255.53"), upstreams.at("172.31.255.54")];
        node = createNode({
          policy: { ...DEFAULT_POLICY, compat: "docker", upstreams: both },
          forwarder: { cache: false },
        });
        node.apply(changesOf(topology, scenario.setup, upstreams.at));
        await node.ready();
      });
      afterAll(() => node.close());

      const cases = scenario.cases.filter((c) => c.phase === phase);
      test.each(cases.filter((c) => !SLOW.has(c.group)).map((c) => [label(c), c] as const))("%s", async (_, c) =>
        check(node, c, true),
      );
      const slow = cases.filter((c) => SLOW.has(c.group));
      if (slow.length > 0) {
        test("slow and dead upstreams", { timeout: 20_000 }, async () => {
          await Promise.all(slow.map((c) => check(node, c, false)));
        });
      }
    });
  }
}

test("every listed difference was met", () => {
  expect(DIFFERENCES.map((d) => d.why).filter((why) => !met.has(why))).toEqual([]);
});

async function check(node: ElevenNode, c: Case, forwarding: boolean): Promise<void> {
  upstreams.taken();
  const reply = await ask(node, c);
  const asked = upstreams.taken() > 0;
  const ours = say(reply && told(reply)) + (forwarding && asked ? " forwarded" : "");
  const difference = DIFFERENCES.find((d) => d.applies(c));
  if (difference === undefined) return expect(ours, label(c)).toBe(theirs(c, forwarding));
  met.add(difference.why);
  expect(ours, `${label(c)}\nDocker: ${theirs(c, forwarding)}\nwe: ${difference.why}`).toMatch(difference.ours);
  expect(ours, `no longer a difference: ${difference.why}`).not.toBe(theirs(c, forwarding));
}

function ask(node: ElevenNode, c: Case): Promise<Buffer | undefined> {
  const sandbox = [...node.state.sandboxes.keys()].find((id) => id === c.from || id.startsWith(`${c.from}.`))!;
  const at = node.listening(sandbox)[0] as At;
  const { raw, name = "", type = "A", tcp, cookie, ...flags } = c.query;
  const options = cookie ? { options: Buffer.from("000a00080102030405060708", "hex") } : {};
  const packet =
    raw === undefined
      ? query(`${name.replaceAll(" ", "\u00a0")} ${type}`, { ...flags, ...options })
      : Buffer.from(raw === "empty" ? "" : raw, "hex");
  const maybeSilent = c.group === "malformed" && c.expect.forwarded === 0;
  return tcp ? askTcp(at, packet, maybeSilent) : askUdp(at, packet, maybeSilent);
}

interface Said {
  rcode: string;
  flags: string;
  answers: string[];
}

/** "NOERROR qr rd ra: web 600 A 10.0.1.2"; of a truncated answer only how many records came. */
function say(reply: Said | undefined): string {
  if (reply === undefined) return "silent";
  const { rcode, flags, answers } = reply;
  const list = flags.includes("tc") ? `${answers.length} records` : [...answers].sort().join("; ");
  return `${rcode} ${flags}${list === "" ? "" : `: ${list}`}`;
}

function theirs({ expect: e }: Case, forwarding: boolean): string {
  if (e.status !== "answer") return "silent";
  const flags = ["qr", ...["aa", "tc", "rd", "ra", "ad", "cd"].filter((f) => e.flags[f] === 1)].join(" ");
  const answers = e.answers.map(
    (a) => `${a.name.replace(/\.$/, "")} ${a.ttl} ${a.type} ${a.data.replace(/\.$/, "").replace(/"/g, "")}`,
  );
  return say({ rcode: e.rcode, flags, answers }) + (forwarding && e.forwarded > 0 ? " forwarded" : "");
}

function label(c: Case): string {
  const { raw, name, type, ...rest } = c.query;
  return `${c.id} ${c.from}: ${raw ?? `${name} ${type}`} ${Object.entries(rest)
    .map(([k, v]) => `${k}=${v}`)
    .join(" ")}`.trim();
}
