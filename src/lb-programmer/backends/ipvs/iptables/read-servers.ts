/** Virtual servers from rules and IPVS: whose connections are marked, and who gets them. Pure. */
import type { PortRange, VirtualServer } from "../../../state.ts";
import { addressIn, foreign, mark, NOT_WHOLE, PROTOCOLS, word } from "../../common/typed.ts";
import { type Balanced, destinationsOf, ruled } from "../balanced.ts";
import { type Family, isIdle, UNSERVED } from "../server.ts";
import { hexOf, hostIn, noteOf, portOf, type Rule } from "./rule.ts";
import { CHAINS } from "./rules.ts";
import { rulesOf, type Saved } from "./saved.ts";

export function serversOf(saved: Saved, family: Family, { services, destinations }: Balanced): VirtualServer[] {
  const local = rulesOf(saved, CHAINS.LOCAL, family);
  const arriving = rulesOf(saved, CHAINS.ARRIVING, family).filter((rule) => !isLate(rule));
  const published = rulesOf(saved, CHAINS.PUBLISHED, family);
  const ports = portsByNote(published);
  const declared = portsByNote([...local, ...arriving].filter((rule) => rule.has("--dport")));
  const byMark = new Map(services.filter((s) => s.family === family).map((s) => [s.mark, s]));
  const byNote = rulesByNote([...published, ...arriving, ...local]);
  const isWhole = wholeness(saved, family, [...arriving, ...local]);
  return [...byNote].map(([note, rule]): VirtualServer => {
    const { limited, ...said } = told(note, family);
    if (said.from !== "published" && hostIn(family, rule) !== said.vip) foreign();
    const number = markIn(rule);
    const service = byMark.get(number);
    const list = destinationsOf(number, family, destinations);
    const whole = isWhole({ note, rule, mark: number, idle: isIdle({ destinations: list }) });
    return {
      ...said,
      mark: number,
      ports: ports.get(note) ?? [],
      ...(limited && { only: declared.get(note) ?? [] }),
      ...ruled(service),
      ...(!whole && { affinity: NOT_WHOLE }),
      destinations: list,
    };
  });
}

interface Noted {
  readonly note: string;
  /** One of its rules. */
  readonly rule: Rule;
  readonly mark: number;
  readonly idle: boolean;
}

/** Whether all is there that goes with a server: what marks the rest of its VIP, what refuses, what keeps the client's address. */
function wholeness(saved: Saved, family: Family, marking: readonly Rule[]): (server: Noted) => boolean {
  const marksIn = (rules: readonly Rule[]) => new Set(rules.map((rule) => hexOf(rule.get("--mark"))));
  const refused = marksIn(rulesOf(saved, CHAINS.REFUSE, family));
  const denied = marksIn(rulesOf(saved, CHAINS.DENY, family));
  const kept = marksIn(rulesOf(saved, CHAINS.SNAT, family));
  const refusing = rulesOf(saved, CHAINS.UNDECLARED, family);
  const undeclared = PROTOCOLS.map((p) => marksIn(refusing.filter((rule) => rule.get("-p") === p)));
  const unserved = new Set(marking.filter((rule) => rule.has("--tcp-flags")).map((rule) => hostIn(family, rule)));
  const marked = new Set(marking.map(noteOf));
  const closed = closedIn(marking);
  return ({ note, rule, mark, idle }) => {
    const { from, vip, keepSource, limited } = told(note, family);
    return (
      (limited ? closed.has(note) && undeclared.every((marks) => marks.has(UNSERVED + mark)) : plain(rule)) &&
      (keepSource ? kept.has(mark) : from !== "published" || marked.has(note)) &&
      (from === "local" ? denied.has(mark) && unserved.has(vip) === idle : refused.has(mark) === idle)
    );
  };
}

function portsByNote(rules: readonly Rule[]): ReadonlyMap<string, readonly PortRange[]> {
  const ports = new Map<string, PortRange[]>();
  for (const rule of rules) {
    const there = ports.get(noteOf(rule));
    if (there === undefined) ports.set(noteOf(rule), [portOf(rule)]);
    else there.push(portOf(rule));
  }
  return ports;
}

/** One for each note, all of which set the same mark. */
function rulesByNote(rules: readonly Rule[]): ReadonlyMap<string, Rule> {
  const found = new Map<string, Rule>();
  for (const rule of rules) {
    const note = noteOf(rule);
    if (note === "") continue; // goes with another
    const other = found.get(note);
    if (other !== undefined && markIn(other) !== markIn(rule)) foreign();
    found.set(note, rule);
  }
  return found;
}

/** Notes of servers whose VIP gets a mark that IPVS does not know, before its ports get theirs. */
function closedIn(rules: readonly Rule[]): ReadonlySet<string> {
  const [seen, closed] = [new Set<string>(), new Set<string>()];
  for (const rule of rules) {
    const note = noteOf(rule);
    if (!seen.has(note) && !rule.has("--dport") && !plain(rule)) closed.add(note);
    seen.add(note);
  }
  return closed;
}

/** It sets a mark that IPVS knows. */
const plain = (rule: Rule): boolean => hexOf(rule.get("--set-xmark")) < UNSERVED;

/** Of a port that keeps its client's address, on a VIP that is shared. */
const isLate = (rule: Rule): boolean => rule.has("--dport") && noteOf(rule).endsWith(" keep-source");

/** The mark of the server, whether IPVS knows it or not. */
const markIn = (rule: Rule): number => mark(`${hexOf(rule.get("--set-xmark")) % UNSERVED}`);

type Told = Pick<VirtualServer, "key" | "from" | "forwarding" | "vip" | "keepSource"> & { readonly limited: boolean };

/** What `note` in chain.ts wrote. */
function told(note: string, family: Family): Told {
  const [key = "", from, forwarding, vip, kind] = note.split(" ");
  if (kind !== undefined && kind !== "keep-source" && kind !== "only") foreign();
  return {
    limited: kind === "only",
    key: decoded(key),
    from: word(from, ["local", "arriving", "published"] as const),
    forwarding: word(forwarding, ["masquerade", "direct"] as const),
    vip: addressIn(family, vip),
    ...(kind === "keep-source" && { keepSource: true as const }),
  };
}

function decoded(key: string): string {
  try {
    return decodeURI(key);
  } catch {
    return foreign();
  }
}
