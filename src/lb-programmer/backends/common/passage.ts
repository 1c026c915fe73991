/**
 * Whether a connection that is led to a published port passes other people's forward chains. Rules may ask for more than we know of it (where
 * it comes from, say): what may accept it counts as accepting, and only what drops it for certain as dropping. Pure.
 */
import { familyOf } from "../../../model/address.ts";
import type { ForwardChain, ForwardRule, Step } from "../../../os/nftables/forward.ts";
import { type Verdict, verdict } from "../../../os/nftables/layout.ts";
import type { PublishedPort } from "../../state.ts";
import { type Known, loaded } from "./known-packet.ts";

export interface Obstacle {
  readonly chain: ForwardChain;
  /** The rule that drops it, and its chain; missing: the base chain's policy does. */
  readonly rule?: { readonly chain: string; readonly handle: number };
}

/** The first of the chains that drops connections to this port. */
export function obstacle(chains: readonly ForwardChain[], port: PublishedPort): Obstacle | undefined {
  const family = familyOf(port.to) === 6 ? "ip6" : "ip";
  for (const chain of chains) {
    if (chain.family !== "inet" && chain.family !== family) continue;
    const end = walk(chain, port, chain.name, DEEPEST);
    if (typeof end === "object") return { chain, rule: end };
    if (end === "through" && chain.policy === "drop") return { chain };
  }
  return undefined;
}

/** In words, and with the command that lets them pass: each chain that drops connections to some of these ports. */
export function inTheWay(chains: readonly ForwardChain[], published: readonly PublishedPort[]): string | undefined {
  const said = chains.flatMap((chain) => {
    const dropped = published.flatMap((port) => {
      const found = obstacle([chain], port);
      return found === undefined ? [] : [{ ...found, port }];
    });
    const [first] = dropped;
    if (first === undefined) return [];
    const { protocol, port } = first.port;
    const others = dropped.length > 1 ? ` and ${dropped.length - 1} more` : "";
    const what = `published port ${port}/${protocol} (IPv${familyOf(first.port.to)})${others}`;
    const place = `${chain.family} ${chain.table} ${chain.name}`;
    const rule = first.rule;
    const how = rule === undefined ? "policy drop" : `rule with handle ${rule.handle} of chain ${rule.chain}`;
    const allow = `nft insert rule ${place} ct status dnat accept`;
    return [`${what}: dropped by nftables chain ${place} (${how}); to allow it: ${allow}`];
  });
  return said.length === 0 ? undefined : said.join("; ").replaceAll(/[^ -~]/g, "?");
}

/** Chains that are called by chains; the kernel allows no more. */
const DEEPEST = 16;

/** Where a packet's way through a chain ends; an object: at the rule that drops it. */
type End = "accepted" | "through" | NonNullable<Obstacle["rule"]>;

function walk(base: ForwardChain, port: PublishedPort, chain: string, depth: number): End {
  for (const rule of base.rules.get(chain) ?? []) {
    const { sure, verdicts } = decide(rule, base, port);
    for (const verdict of verdicts) {
      if (verdict === "accept") return "accepted";
      if (verdict === "drop" && sure) return { chain, handle: rule.handle };
      if (verdict === "return" && sure) return "through";
      const [word, to] = verdict.split(" ");
      if (to === undefined || depth === 0) continue;
      const end = walk(base, port, to, depth - 1);
      if (end === "accepted" || (sure && (end !== "through" || word === "goto"))) return end;
    }
  }
  return "through";
}

interface Decision {
  /** The rule is for all such packets, and not for some of them only. */
  readonly sure: boolean;
  /** One of these, if `sure` the only one. None: it is for none of them, or decides nothing. */
  readonly verdicts: readonly Verdict[];
}

const NOTHING: Decision = { sure: true, verdicts: [] };
const MAYBE: Decision = { sure: false, verdicts: [] };
const MAY_ACCEPT: Decision = { sure: false, verdicts: ["accept"] };

/** The rule's small program, with what is known of the packet. */
function decide({ steps }: ForwardRule, { sets }: ForwardChain, port: PublishedPort): Decision {
  const registers = new Map<number, Known>();
  let sure = true;
  for (const step of steps) {
    const { name, attributes } = step;
    if (name === "immediate" && attributes.be32(1) === VERDICT)
      return { sure, verdicts: listOf(verdict.read(attributes, 2)) };
    if (name === "reject") return { sure, verdicts: ["drop"] };
    if (name === "queue") return MAY_ACCEPT; // a program decides
    if (load(step, registers, port) || HARMLESS.has(name)) continue;
    const met = matches(step, registers, sets);
    if (met === "no") return NOTHING;
    sure &&= met.sure;
    if (met.verdicts.length > 0) return { sure, verdicts: met.verdicts };
  }
  return NOTHING;
}

/** The register that is no register, but the rule's verdict. */
const VERDICT = 0;

/** True for an expression that puts something into a register. */
function load(step: Step, registers: Map<number, Known>, port: PublishedPort): boolean {
  const { name, attributes } = step;
  const first = attributes.be32(1) ?? -1;
  switch (name) {
    case "meta":
    case "ct":
    case "payload":
      put(registers, first, loaded(step, port));
      return true;
    case "bitwise":
      put(registers, attributes.be32(2) ?? -1, masked(registers.get(first), step));
      return true;
    case "immediate":
      put(registers, first, undefined);
      return true;
    default:
      return false;
  }
}

/** What nobody here knows may have put anything into any register. */
function matches(step: Step, registers: Map<number, Known>, sets: ForwardChain["sets"]): Decision | "no" {
  const { name, attributes } = step;
  const value = registers.get(attributes.be32(name === "lookup" ? 2 : 1) ?? -1);
  if (name === "lookup") {
    put(registers, attributes.be32(3) ?? -1, undefined);
    return lookedUp(value, step, sets);
  }
  if (name !== "cmp") registers.clear();
  const met = name === "cmp" ? compared(value, step) : undefined;
  return met === undefined ? MAYBE : met ? NOTHING : "no";
}

/** They decide nothing, and load nothing. */
const HARMLESS = new Set(["counter", "log", "notrack", "objref", "flow_offload", "last"]);

function put(registers: Map<number, Known>, register: number, value: Known | undefined): void {
  if (value === undefined) registers.delete(register);
  else registers.set(register, value);
}

const octetsOf = ({ attributes }: Step, type: number): Buffer => attributes.nested(type).raw(1) ?? Buffer.alloc(0);

function masked(value: Known | undefined, step: Step): Known | undefined {
  if (!(value instanceof Buffer)) return undefined;
  const [mask, xor] = [octetsOf(step, 4), octetsOf(step, 5)];
  if (mask.length !== value.length || xor.length !== value.length) return undefined; // a shift, say
  return Buffer.from(value.map((octet, i) => (octet & mask[i]!) ^ xor[i]!));
}

/** linux/netfilter/nf_tables.h: eq, neq, lt, lte, gt, gte. Undefined: that can't be known. */
function compared(value: Known | undefined, step: Step): boolean | undefined {
  const op = step.attributes.be32(2) ?? -1;
  const to = octetsOf(step, 3);
  if (value === undefined) return undefined;
  if ("never" in value) return op > 1 || !to.equals(value.never.subarray(0, to.length)) ? undefined : op === 1;
  const order = Buffer.compare(value.subarray(0, to.length), to); // a part of a name is its beginning
  return [order === 0, order !== 0, order < 0, order <= 0, order > 0, order >= 0][op];
}

/** In a set, or a map, of the rule's own. Of a map, any of its verdicts may be the one; of one that has a name, that may be any. */
function lookedUp(value: Known | undefined, { attributes }: Step, sets: ForwardChain["sets"]): Decision | "no" {
  const to = attributes.be32(3);
  const elements = sets.get(attributes.text(1) ?? "") ?? [];
  if (elements.length === 0) return to === VERDICT ? MAY_ACCEPT : MAYBE;
  if (!(value instanceof Buffer) || elements.some(({ end, key }) => end || key.length !== value.length))
    return { sure: false, verdicts: elements.flatMap(({ verdict }) => verdict ?? []) };
  const found = elements.find(({ key }) => key.equals(value));
  if (to !== undefined) return found === undefined ? "no" : { sure: true, verdicts: listOf(found.verdict) };
  const inverted = ((attributes.be32(5) ?? 0) & 1) === 1;
  return (found !== undefined) === inverted ? "no" : NOTHING;
}

const listOf = (verdict: Verdict | undefined): readonly Verdict[] => (verdict === undefined ? [] : [verdict]);
