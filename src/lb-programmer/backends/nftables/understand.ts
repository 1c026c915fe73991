/** From what is in the kernel back to the state that it came from; and whether it is all of it, and nothing else. */
import type { Protocol } from "../../../model/types.ts";
import type { LbState, VirtualServer } from "../../types.ts";
import { told } from "./comment.ts";
import { fingerprint } from "./fingerprint.ts";
import type { Listing } from "./listing.ts";
import { type Element, otherElements, type Parts, serverParts } from "./parts.ts";
import { elementText } from "./script.ts";
import { BASES, CONTAINERS, type Keyed, PROTOCOLS } from "./skeleton.ts";

/**
 * The state that a listing holds; undefined if the listing is not exactly what that state is written as: somebody changed
 * it, or another version of ours wrote it. Then it has to be built anew. `sysctls` is empty.
 */
export function understand(listed: Listing): LbState | undefined {
  const state = stateOf(listed);
  return state !== undefined && complete(state, listed) ? state : undefined;
}

function stateOf({ elements }: Listing): LbState | undefined {
  const by = grouped(elements, (element) => element.in.replace(/[46]$/, ""));
  const all = (name: Keyed): readonly Element[] => by.get(name) ?? [];
  const servers = serversOf(by);
  if (servers === undefined) return undefined;
  return {
    servers,
    addresses: [
      ...all("ping").map(({ key }) => ({ address: key, device: "lo" })),
      ...all("owned").map(({ key, comment }) => ({ address: key, device: comment ?? "" })),
    ],
    snats: all("snats").map(({ key, value, in: name }) => ({ subnet: subnet(key, name), to: value! })),
    redirects: all("redirects").map(({ key, value }) => {
      const [address, protocol, published] = key.split(" . ");
      return { address: address!, protocol: named(protocol!), published: Number(published), target: last(value!) };
    }),
    published: all("host").map(({ key, value, comment }) => {
      const [protocol, port] = key.split(" . ");
      const to = value!.split(" . ")[0]!;
      return { protocol: named(protocol!), port: Number(port), to, toPort: last(value!), bridge: comment ?? "" };
    }),
    sysctls: {},
  };
}

function serversOf(by: ReadonlyMap<string, readonly Element[]>): VirtualServer[] | undefined {
  const tasks = grouped(by.get("tasks") ?? [], ({ key }) => key.split(" . ")[0]!);
  const ports = grouped(by.get("ports") ?? [], ({ in: name, value }) => `${name.at(-1)} ${value}`);
  const names = grouped(by.get("names") ?? [], ({ key }) => key.split(" . ")[0]!);
  const servers: VirtualServer[] = [];
  for (const { in: name, key: mark, value: vip, comment = "" } of by.get("servers") ?? []) {
    const more = (names.get(mark) ?? []).toSorted((a, b) => last(a.key) - last(b.key));
    const words = told(comment + more.map((piece) => piece.comment ?? "").join(""));
    if (words === undefined) return undefined;
    const entries = (ports.get(`${name.at(-1)} goto s-${mark}`) ?? []).map(({ key }) => key.split(" . "));
    servers.push({
      ...words,
      vip: vip!,
      mark: Number(mark),
      ports: entries.map(([protocol, port]) => ({ protocol: named(protocol!), port: Number(port) })),
      destinations: (tasks.get(mark) ?? []).map(({ key, value }) => ({
        address: key.slice(mark.length + 3),
        weight: Number(value),
      })),
    });
  }
  return servers;
}

/** Writes the state again and compares: every rule by its fingerprint, every element by its text. */
function complete(state: LbState, listed: Listing): boolean {
  const parts: Parts[] = state.servers.map(serverParts);
  const chains = new Map(Object.entries(BASES).map(([name, { rules }]) => [name, rules]));
  for (const part of parts) for (const [name, rules] of part.chains) chains.set(name, rules);
  if (chains.size !== listed.chains.size) return false;
  for (const [name, rules] of chains) {
    const found = listed.chains.get(name);
    if (found?.length !== rules.length || !rules.every((rule, i) => fingerprint(rule) === found[i])) return false;
  }
  const sets = new Map(parts.flatMap((part) => [...part.sets]));
  if (sets.size !== listed.sets.size || listed.containers.size !== CONTAINERS.size) return false;
  for (const [name, text] of sets) if (!text.endsWith(` timeout ${listed.sets.get(name)}s;`)) return false;
  const elements = [...parts.flatMap((part) => part.elements), ...otherElements(state)];
  const wanted = new Set(elements.map((element) => `${element.in} ${elementText(element)}`));
  const found = listed.elements.map((element) => `${element.in} ${elementText(element)}`);
  return wanted.size === found.length && found.every((text) => wanted.has(text));
}

const NAMES = new Map(Object.entries(PROTOCOLS).map(([name, number]) => [`${number}`, name as Protocol]));
const named = (protocol: string): Protocol => NAMES.get(protocol) ?? "tcp";
const last = (concatenation: string): number => Number(concatenation.split(" . ").at(-1));
/** A range of one address is listed without its length. */
const subnet = (key: string, name: string): string =>
  key.includes("/") ? key : `${key}/${name.endsWith("4") ? 32 : 128}`;

function grouped<T>(items: readonly T[], by: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(by(item));
    if (group === undefined) groups.set(by(item), [item]);
    else group.push(item);
  }
  return groups;
}
