/** A state as `nft -j list table inet eleven` prints it. */
import { fingerprint } from "../../src/lb-programmer/backends/nftables/fingerprint.ts";
import { type Element, otherElements, serverParts } from "../../src/lb-programmer/backends/nftables/parts.ts";
import { BASES, CONTAINERS } from "../../src/lb-programmer/backends/nftables/skeleton.ts";
import type { LbState } from "../../src/lb-programmer/state.ts";

export function printedByNft(state: LbState): string {
  const parts = state.servers.map(serverParts);
  const chains = new Map<string, readonly string[]>(Object.entries(BASES).map(([name, { rules }]) => [name, rules]));
  for (const part of parts) for (const [name, rules] of part.chains) chains.set(name, rules);
  const elements = new Map<string, Element[]>();
  for (const element of [...parts.flatMap((part) => part.elements), ...otherElements(state)])
    elements.set(element.in, [...(elements.get(element.in) ?? []), element]);
  const at = { family: "inet", table: "eleven" };
  const sets = parts.flatMap((part) => [...part.sets]);
  const names = new Set<string>([...CONTAINERS.keys(), ...elements.keys()]);
  return JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6", json_schema_version: 1 } },
      { table: { family: "inet", name: "eleven", handle: 1 } },
      ...[...names].map((name) => ({
        [CONTAINERS.get(name)?.startsWith("set") ? "set" : "map"]: {
          ...at,
          name,
          elem: (elements.get(name) ?? []).map(elementJson),
        },
      })),
      ...sets.map(([name, words]) => ({ set: { ...at, name, timeout: Number(/timeout (\d+)s;/.exec(words)?.[1]) } })),
      ...[...chains.keys()].map((name) => ({ chain: { ...at, name } })),
      ...[...chains].flatMap(([chain, rules]) =>
        rules.map((rule) => ({ rule: { ...at, chain, comment: fingerprint(rule), expr: [] } })),
      ),
    ],
  });
}

function elementJson({ key, value, comment }: Element): unknown {
  const bare = expression(key);
  const left = comment === undefined ? bare : { elem: { val: bare, comment } };
  return value === undefined
    ? left
    : [left, value.startsWith("goto ") ? { goto: { target: value.slice(5) } } : expression(value)];
}

function expression(text: string): unknown {
  const parts = text.split(" . ");
  if (parts.length > 1) return { concat: parts.map(word) };
  const [addr, len] = text.split("/");
  return len === undefined ? word(text) : { prefix: { addr, len: Number(len) } };
}

const word = (text: string): string | number =>
  text.startsWith('"') ? text.slice(1, -1) : /^\d+$/.test(text) ? Number(text) : text;
