/**
 * `nft -j list table`, as the same objects that parts.ts makes, so that the two can be compared. Whoever is in the namespace may have
 * written the table: what has another form than ours, or is more than could be ours, is foreign.
 */
import { canonicalAddress } from "../../../model/address.ts";
import { foreign } from "../common/typed.ts";
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

type Json = string | number | boolean | null | readonly Json[] | Members;
interface Members {
  readonly [name: string]: Json;
}

interface Found {
  readonly elements: Element[];
  readonly containers: Set<string>;
  readonly sets: Map<string, number>;
  readonly chains: Map<string, string[]>;
}

/** Reads what nft printed; foreign if it has more than `most` elements, sets, chains and rules. */
export function listing(json: string, most: number): Listing {
  const items = membersOf(parsed(json))["nftables"];
  if (!Array.isArray(items) || items.length > most) return foreign();
  const found: Found = { elements: [], containers: new Set(), sets: new Map(), chains: new Map() };
  for (const item of items as readonly Json[]) {
    const [entry, ...more] = Object.entries(membersOf(item));
    if (entry === undefined || more.length > 0) return foreign();
    take(found, entry[0], membersOf(entry[1]), most);
  }
  return found;
}

function take(found: Found, kind: string, item: Members, most: number): void {
  const { chains } = found;
  switch (kind) {
    case "metainfo":
    case "table":
      return;
    case "chain":
      chains.set(textOf(item["name"]), []);
      return;
    case "rule":
      (chains.get(textOf(item["chain"])) ?? foreign()).push(
        item["comment"] === undefined ? "" : textOf(item["comment"]),
      );
      return;
    case "map":
    case "set":
      takeElements(found, textOf(item["name"]), item, most);
      return;
    default:
      foreign(); // counters, flow tables: nothing of ours
  }
}

function takeElements({ elements, containers, sets }: Found, name: string, item: Members, most: number): void {
  const { elem = [], timeout = 0 } = item as { readonly elem?: Json; readonly timeout?: Json };
  const list: readonly Json[] = Array.isArray(elem) ? elem : foreign();
  if (!isName(name)) {
    sets.set(name, typeof timeout === "number" ? timeout : foreign()); // its elements are clients, which come and go
    return;
  }
  if (elements.length + list.length > most) foreign();
  if (CONTAINERS.has(name)) containers.add(name);
  for (const one of list) elements.push(elementOf(name, one));
}

const isName = (name: string): name is Name => CONTAINERS.has(name) || isSlotMap(name);

function elementOf(name: Name, json: Json): Element {
  const [key, value, ...more] = Array.isArray(json) ? (json as readonly Json[]) : [json];
  if (key === undefined || more.length > 0) return foreign();
  const inner = isMembers(key) && isMembers(key["elem"]) ? key["elem"] : undefined;
  return {
    in: name,
    key: expression(name, inner === undefined ? key : inner["val"]),
    value: value === undefined ? undefined : expression(name, value),
    comment: inner?.["comment"] === undefined ? undefined : textOf(inner["comment"]),
  };
}

/** An expression as parts.ts writes it: a word, some of them together, a range, or the way to a chain. */
function expression(name: Name, json: Json | undefined): string {
  if (!isMembers(json)) return word(name, json);
  const [[kind, value] = ["", null], ...more] = Object.entries(json);
  if (more.length > 0) return foreign();
  switch (kind) {
    case "concat":
      return Array.isArray(value) ? value.map((part) => word(name, part as Json)).join(" . ") : foreign();
    case "prefix":
      return `${word(name, membersOf(value)["addr"])}/${word(name, membersOf(value)["len"])}`;
    case "goto":
      return `goto ${textOf(membersOf(value)["target"])}`;
    default:
      return foreign();
  }
}

function word(name: Name, json: Json | undefined): string {
  if (typeof json === "number") return `${json}`;
  const text = textOf(json);
  if (name === "bridges") return `"${text}"`;
  if (Object.hasOwn(PROTOCOLS, text)) return `${PROTOCOLS[text as keyof typeof PROTOCOLS]}`;
  return text.includes(":") ? (canonicalAddress(text) ?? foreign()) : text;
}

const textOf = (json: Json | undefined): string => (typeof json === "string" ? json : foreign());

const isMembers = (json: Json | undefined): json is Members =>
  typeof json === "object" && json !== null && !Array.isArray(json);

const membersOf = (json: Json | undefined): Members => (isMembers(json) ? json : foreign());

function parsed(json: string): Json {
  try {
    return JSON.parse(json) as Json;
  } catch {
    return foreign();
  }
}
