/**
 * Rules as people write them: statements, each of which matches or does something. Their text is nft's; compile.ts makes of them what the
 * kernel takes.
 */
import type { Verdict } from "./layout.ts";
import type { Selector } from "./selector.ts";

/** What a rule looks at: a part of the packet, or a number that is counted or hashed anew for each. */
export type Key =
  | Selector
  | { readonly numgen: "inc" | "random"; readonly mod: number; readonly offset: number }
  | { readonly jhash: Selector; readonly mod: number; readonly seed: number; readonly offset: number };

export type Statement =
  /** `fib daddr type local`, `ip6 daddr != ::1`, `ip daddr 127.0.0.0/8`; of flags (`ct status dnat`): has it. */
  | { readonly kind: "match"; readonly what: Selector; readonly is: string; readonly not?: true }
  /** TCP's first segment: `tcp flags syn / fin,syn,rst,ack`. */
  | { readonly kind: "opens" }
  /** Of the connection's mark, the bits that are ours: `ct mark & 0xfff00000 == 0xe1100000`, or they become so, and the others stay. */
  | { readonly kind: "marked" | "set mark"; readonly bits: number; readonly mark: number }
  /** `meta l4proto { tcp, udp }` */
  | { readonly kind: "one of"; readonly what: Selector; readonly values: readonly string[] }
  /** `iifname @bridges`, `ip saddr . meta l4proto . th dport != @sources4` */
  | { readonly kind: "in set" | "not in set"; readonly key: readonly Selector[]; readonly set: string }
  /** `ip daddr vmap @local4` */
  | { readonly kind: "vmap"; readonly key: readonly Key[]; readonly map: string }
  /** The packet's mark becomes what a map has: `meta mark set ip daddr map @marks`. */
  | { readonly kind: "set meta mark"; readonly key: readonly Selector[]; readonly map: string }
  /** Leads elsewhere: to an address, to an address and a port, or to what a map has, an address or (`port`) an address and a port. */
  | {
      readonly kind: "nat";
      readonly type: "dnat" | "snat";
      readonly family: "ip" | "ip6";
      readonly to: string | { readonly address: string; readonly port: number } | Mapped;
    }
  | { readonly kind: "masquerade" | "redirect" | "counter" }
  /** `counter name s-256`, or the one that a map has: `counter name ct original ip daddr map @bytes4`; where it has none, no match. */
  | {
      readonly kind: "count";
      readonly counter: string | { readonly key: readonly Selector[]; readonly map: string };
    }
  | { readonly kind: "reject"; readonly with: "tcp reset" | "icmpx port-unreachable" }
  /** `update @clients { ip saddr }` */
  | { readonly kind: "update"; readonly set: string; readonly key: readonly Selector[] }
  | { readonly kind: "verdict"; readonly verdict: Verdict };

export interface Mapped {
  readonly key: readonly Key[];
  readonly map: string;
  readonly port?: true;
}

/** A rule without its comment. */
export const ruleText = (statements: readonly Statement[]): string => statements.map(statementText).join(" ");

function statementText(statement: Statement): string {
  switch (statement.kind) {
    case "match":
      return `${statement.what} ${statement.not ? "!= " : ""}${statement.is}`;
    case "marked":
      return `ct mark & ${hex(statement.bits)} == ${hex(statement.mark)}`;
    case "set mark":
      return `ct mark set ct mark & ${hex(~statement.bits)} | ${hex(statement.mark)}`;
    case "one of":
      return `${statement.what} { ${statement.values.join(", ")} }`;
    case "in set":
      return `${keyText(statement.key)} @${statement.set}`;
    case "not in set":
      return `${keyText(statement.key)} != @${statement.set}`;
    case "opens":
      return "tcp flags syn / fin,syn,rst,ack";
    case "set meta mark":
      return `meta mark set ${keyText(statement.key)} map @${statement.map}`;
    case "vmap":
      return `${keyText(statement.key)} vmap @${statement.map}`;
    case "nat": {
      const { type, family, to } = statement;
      if (typeof to === "string") return `${type} ${family} to ${to}`;
      if ("address" in to) return `${type} ${family} to ${family === "ip" ? to.address : `[${to.address}]`}:${to.port}`;
      return `${type} ${family} to ${keyText(to.key)} map @${to.map}`;
    }
    case "masquerade":
    case "redirect":
    case "counter":
      return statement.kind;
    case "count": {
      const { counter } = statement;
      return `counter name ${typeof counter === "string" ? counter : `${keyText(counter.key)} map @${counter.map}`}`;
    }
    case "reject":
      return `reject with ${statement.with}`;
    case "update":
      return `update @${statement.set} { ${keyText(statement.key)} }`;
    case "verdict":
      return statement.verdict;
  }
}

const hex = (bits: number): string => `0x${(bits >>> 0).toString(16).padStart(8, "0")}`;

const keyText = (key: readonly Key[]): string => key.map(partText).join(" . ");

function partText(part: Key): string {
  if (typeof part === "string") return part;
  const rest = `mod ${part.mod}${"seed" in part ? ` seed 0x${part.seed.toString(16)}` : ""}`;
  const how = "numgen" in part ? `numgen ${part.numgen}` : `jhash ${part.jhash}`;
  return `${how} ${rest}${part.offset === 0 ? "" : ` offset ${part.offset}`}`;
}
