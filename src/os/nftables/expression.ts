/**
 * Expressions: what a rule is made of in the kernel, a program for a small machine with registers. linux/netfilter/nf_tables.h.
 *
 *   list of 1 { 1 name, 2 attributes of the expression }
 *
 * There are sixteen registers of 4 octets, which long values take several of. Where four begin that belong together, a register
 * is called 1 to 4, else 8 to 23.
 */
import type { Attributes } from "../netlink/read.ts";
import type { MessageWriter } from "../netlink/write.ts";
import {
  be32,
  flags,
  type Layout,
  named,
  readFields,
  some64,
  text,
  u8,
  type Verdict,
  value,
  verdict,
  writeFields,
} from "./layout.ts";

/**
 * `register`: where the result goes, or what is looked at. Values are octets. What is optional and explained nowhere is there to
 * be seen in rules of others: we never write it.
 */
export type Expression =
  /** Loads it, or sets it to what is in the register `from`; so does `ct`. */
  | { readonly kind: "meta"; readonly key: keyof typeof META; readonly register?: number; readonly from?: number }
  | {
      readonly kind: "payload";
      readonly base: keyof typeof HEADER;
      readonly offset: number;
      readonly length: number;
      readonly register: number;
    }
  | {
      readonly kind: "ct";
      readonly key: keyof typeof CT;
      readonly direction?: number;
      readonly register?: number;
      readonly from?: number;
    }
  | { readonly kind: "fib"; readonly result: "type"; readonly of: keyof typeof FIB; readonly register: number }
  | {
      readonly kind: "numgen";
      readonly mode: "inc" | "random";
      readonly mod: number;
      readonly offset: number;
      readonly register: number;
    }
  | {
      readonly kind: "hash";
      readonly from: number;
      readonly length: number;
      readonly mod: number;
      readonly seed: number;
      readonly offset: number;
      readonly register: number;
      readonly type?: number;
    }
  | {
      readonly kind: "bitwise";
      readonly from: number;
      readonly register: number;
      readonly length: number;
      readonly mask: string;
      readonly xor: string;
      readonly op?: number;
    }
  /** Turns the octets of each number of `size` around. */
  | {
      readonly kind: "byteorder";
      readonly from: number;
      readonly register: number;
      readonly op: "ntoh" | "hton";
      readonly length: number;
      readonly size: number;
    }
  | { readonly kind: "cmp"; readonly register: number; readonly op: "eq" | "neq"; readonly value: string }
  /** Without `into` a match, into register 0 a verdict. `id`: of a set that is made in the same batch. */
  | {
      readonly kind: "lookup";
      readonly set: string;
      readonly id?: number;
      readonly register: number;
      readonly into?: number;
      readonly flags?: number;
    }
  | {
      readonly kind: "dynset";
      readonly set: string;
      readonly op: "add" | "update" | "delete";
      readonly key: number;
      readonly timeout?: number;
      readonly flags?: number;
    }
  | { readonly kind: "immediate"; readonly register: number; readonly value?: string; readonly verdict?: Verdict }
  | {
      readonly kind: "nat";
      readonly type: "snat" | "dnat";
      readonly family: keyof typeof FAMILY;
      readonly address: number;
      readonly port?: number;
      readonly flags?: number;
    }
  | { readonly kind: "masq"; readonly port?: number; readonly flags?: number }
  | { readonly kind: "redir"; readonly port?: number; readonly flags?: number }
  | { readonly kind: "reject"; readonly type: keyof typeof REJECT; readonly code?: number }
  | { readonly kind: "counter" }
  /** A counter that has a name: this one, or the one that a map has. */
  | {
      readonly kind: "objref";
      readonly type?: "counter";
      readonly name?: string;
      readonly register?: number;
      readonly set?: string;
    }
  /** One that we never write. */
  | { readonly kind: "unknown"; readonly name: string };

const META = { mark: 3, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
const HEADER = { network: 1, transport: 2 } as const;
const CT = { state: 0, direction: 1, status: 2, mark: 3, "proto-dst": 12, "ip daddr": 20, "ip6 daddr": 22 } as const;
const FIB = { saddr: 1, daddr: 2 } as const;
const FAMILY = { ip: 2, ip6: 10 } as const;
const REJECT = { icmp: 0, "tcp reset": 1, icmpx: 2 } as const;

const MAP_IPS = 1;
const PROTO_SPECIFIED = 2;

export type Known = Exclude<Expression, { kind: "unknown" }>;
type Fields<Kind extends Known["kind"]> = Omit<Extract<Known, { kind: Kind }>, "kind">;

const LAYOUTS: { readonly [Kind in Known["kind"]]: Layout<Fields<Kind>> } = {
  meta: { register: [1, be32], key: [2, named(META)], from: [3, be32] },
  payload: { register: [1, be32], base: [2, named(HEADER)], offset: [3, be32], length: [4, be32] },
  ct: { register: [1, be32], key: [2, named(CT)], direction: [3, u8], from: [4, be32] },
  fib: { register: [1, be32], result: [2, named({ type: 3 })], of: [3, named(FIB)] },
  numgen: { register: [1, be32], mod: [2, be32], mode: [3, named({ inc: 0, random: 1 })], offset: [4, be32] },
  hash: {
    from: [1, be32],
    register: [2, be32],
    length: [3, be32],
    mod: [4, be32],
    seed: [5, be32],
    offset: [6, be32],
    type: [7, flags()],
  },
  bitwise: {
    from: [1, be32],
    register: [2, be32],
    length: [3, be32],
    mask: [4, value],
    xor: [5, value],
    op: [6, flags()],
  },
  byteorder: {
    from: [1, be32],
    register: [2, be32],
    op: [3, named({ ntoh: 0, hton: 1 })],
    length: [4, be32],
    size: [5, be32],
  },
  cmp: { register: [1, be32], op: [2, named({ eq: 0, neq: 1 })], value: [3, value] },
  lookup: { set: [1, text], register: [2, be32], into: [3, be32], id: [4, be32], flags: [5, flags()] },
  dynset: {
    set: [1, text],
    op: [3, named({ add: 0, update: 1, delete: 2 })],
    key: [4, be32],
    timeout: [6, some64],
    flags: [9, flags()],
  },
  immediate: { register: [1, be32], value: [2, value], verdict: [2, verdict] },
  nat: {
    type: [1, named({ snat: 0, dnat: 1 })],
    family: [2, named(FAMILY)],
    address: [3, be32],
    port: [5, be32],
    flags: [7, flags(MAP_IPS | PROTO_SPECIFIED)],
  },
  masq: { port: [2, be32], flags: [1, flags()] },
  redir: { port: [1, be32], flags: [3, flags(PROTO_SPECIFIED)] },
  reject: { type: [1, named(REJECT)], code: [2, u8] },
  counter: {},
  objref: { type: [1, named({ counter: 1 })], name: [2, text], register: [3, be32], set: [4, text] },
};

/** In the list of a rule's expressions. */
export function writeExpression(to: MessageWriter, expression: Known): void {
  const layout = LAYOUTS[expression.kind] as Layout<Known>;
  const at = to.open();
  const data = to.text(1, expression.kind).open();
  writeFields(to, layout, expression);
  to.close(data, 2).close(at, 1);
}

/**
 * Those of a rule. What they are about may be missing, or be anything: somebody else may have written them. They are for being
 * compared with what we would write.
 */
export const parseExpressions = (list: Attributes): readonly Expression[] =>
  list.entries().map((entry) => {
    const name = entry.text(1) ?? "";
    const data = entry.nested(2);
    if (!Object.hasOwn(LAYOUTS, name) || !isPlain(name as Known["kind"], data)) return { kind: "unknown", name };
    const layout = LAYOUTS[name as Known["kind"]] as Layout<Known>;
    return { ...readFields(data, layout), kind: name } as Expression;
  });

/** Without anything that its layout does not have: an `update` with a limit, say. */
function isPlain(kind: Known["kind"], data: Attributes): boolean {
  for (const [other, same] of SAME[kind] ?? [])
    if (data.has(other) && data.be32(other) !== data.be32(same)) return false;
  return data.hasOnly(TYPES.get(kind)!);
}

/** What the kernel counts, and padding. */
const COUNTED: Readonly<Partial<Record<Known["kind"], readonly number[]>>> = { counter: [1, 2, 3] };
/** Ends of ranges, which the kernel always says: where there is no range, the end is the beginning. */
const SAME: Readonly<Partial<Record<Known["kind"], readonly (readonly [end: number, beginning: number])[]>>> = {
  nat: [
    [4, 3],
    [6, 5],
  ],
  masq: [[3, 2]],
  redir: [[2, 1]],
};

const TYPES: ReadonlyMap<string, ReadonlySet<number>> = new Map(
  Object.entries(LAYOUTS).map(([name, layout]) => {
    const kind = name as Known["kind"];
    const own = Object.values(layout).map(([type]) => type);
    return [name, new Set([...own, ...(COUNTED[kind] ?? []), ...(SAME[kind] ?? []).map(([end]) => end)])];
  }),
);
