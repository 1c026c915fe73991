/** `nft -j list table`, as the same objects that parts.ts makes, so that the two can be compared. */
import { canonicalAddress } from "../../../model/address.ts";
import type { Element } from "./parts.ts";
import { CONTAINERS, isSlotMap, type Name, PROTOCOLS } from "./skeleton.ts";

export interface Listing {
  readonly elements: readonly Element[];
  /** Maps and sets of the skeleton that are there. */
  readonly containers: ReadonlySet<string>;
  /** Sets that remember clients, and for how many seconds. */
  readonly sets: ReadonlyMap<string, number>;
  /** Comments of the rules by chain; "" where a rule has none. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
}

interface Container {
  readonly name: string;
  readonly timeout?: number;
  readonly elem?: readonly Json[];
}

type Json = string | number | null | readonly Json[] | { readonly [key: string]: Json };

/** Reads what nft printed. Throws a SyntaxError if that is no JSON. */
export function listing(json: string): Listing {
  const { nftables } = JSON.parse(json) as { nftables: readonly Record<string, unknown>[] };
  const elements: Element[] = [];
  const containers = new Set<string>();
  const sets = new Map<string, number>();
  const chains = new Map<string, string[]>();
  for (const item of nftables) {
    const container = (item["map"] ?? item["set"]) as Container | undefined;
    const chain = item["chain"] as { name: string } | undefined;
    const rule = item["rule"] as { chain: string; comment?: string } | undefined;
    if (chain !== undefined) chains.set(chain.name, []);
    else if (rule !== undefined) chains.get(rule.chain)?.push(rule.comment ?? "");
    else if (container !== undefined && (CONTAINERS.has(container.name) || isSlotMap(container.name))) {
      if (CONTAINERS.has(container.name)) containers.add(container.name);
      for (const element of container.elem ?? []) elements.push(elementOf(container.name as Name, element));
    } else if (container !== undefined) sets.set(container.name, container.timeout ?? 0);
  }
  return { elements, containers, sets, chains };
}

function elementOf(name: Name, json: Json): Element {
  const [key, value] = Array.isArray(json) ? (json as unknown as readonly [Json, Json]) : [json, undefined];
  const inner = member(key!, "elem");
  const comment = inner === undefined ? undefined : member(inner, "comment");
  return {
    in: name,
    key: textOf(name, inner === undefined ? key! : (member(inner, "val") ?? "")),
    value: value === undefined ? undefined : textOf(name, value),
    comment: typeof comment === "string" ? comment : undefined,
  };
}

/** An expression as parts.ts writes it. */
function textOf(name: Name, json: Json): string {
  const concat = member(json, "concat");
  if (Array.isArray(concat)) return concat.map((part) => textOf(name, part)).join(" . ");
  const prefix = member(json, "prefix");
  if (prefix !== undefined) return `${textOf(name, member(prefix, "addr") ?? "")}/${member(prefix, "len")}`;
  const goto = member(json, "goto");
  if (goto !== undefined) return `goto ${member(goto, "target")}`;
  if (typeof json !== "string") return typeof json === "number" ? `${json}` : JSON.stringify(json);
  if (name === "bridges" || name === "hairpins") return `"${json}"`;
  if (json in PROTOCOLS) return `${PROTOCOLS[json as keyof typeof PROTOCOLS]}`;
  return json.includes(":") ? (canonicalAddress(json) ?? json) : json;
}

const member = (json: Json, key: string): Json | undefined =>
  json !== null && typeof json === "object" && !Array.isArray(json)
    ? (json as { readonly [key: string]: Json })[key]
    : undefined;
