/**
 * What one rule of somebody else's decides about the first packet of a connection to a published port, as far as that can be told: its
 * expressions are run with what is known of the packet. Pure. linux/netfilter/nf_tables.h.
 */
import type { ForwardChain, ForwardRule, Step } from "../../../os/nftables/forward.ts";
import { type Verdict, verdict } from "../../../os/nftables/layout.ts";
import type { PublishedPort } from "../../state.ts";
import { type Known, loaded } from "./known-packet.ts";

export interface Decision {
  /** The rule is for all such packets, and not for some of them only. */
  readonly sure: boolean;
  /** One of these, if `sure` the only one. None: it is for none of them, or decides nothing. */
  readonly verdicts: readonly Verdict[];
}

const NOTHING: Decision = { sure: true, verdicts: [] };
const MAYBE: Decision = { sure: false, verdicts: [] };
const MAY_ACCEPT: Decision = { sure: false, verdicts: ["accept"] };

/** The rule's small program, with what is known of the packet. */
export function decide({ steps }: ForwardRule, { sets }: ForwardChain, port: PublishedPort): Decision {
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
