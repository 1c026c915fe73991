/** From what is in the kernel back to the state that it came from; and whether it is all of it, and nothing else. */
import type { Protocol } from "../../../model/types.ts";
import { occupies } from "../../diff.ts";
import type { LbState, VirtualServer } from "../../state.ts";
import {
  addressIn,
  device,
  distinct,
  foreign,
  mark,
  number,
  port,
  rangeIn,
  unlessForeign,
  weight,
} from "../common/typed.ts";
import { told } from "./comment.ts";
import { fingerprint } from "./fingerprint.ts";
import { type Listing, listing } from "./listing.ts";
import { type Element, otherElements, type Parts, serverParts } from "./parts.ts";
import { elementText } from "./script.ts";
import { BASES, CONTAINERS, type Family, type Keyed, PROTOCOLS } from "./skeleton.ts";

/**
 * The state that the table holds which nft printed; undefined if that is not exactly what this state is written as: somebody changed
 * it, or another version of ours wrote it, or it is more than `most` elements. Then it has to be built anew. `sysctls` is empty.
 */
export function understand(json: string, most: number): LbState | undefined {
  return unlessForeign(() => {
    const listed = listing(json, most);
    const state = stateOf(listed);
    return complete(state, listed) ? state : foreign();
  });
}

function stateOf({ elements }: Listing): LbState {
  const by = grouped(elements, (element) => element.in.replace(/[46]$/, ""));
  const all = <T>(name: Keyed, read: (element: Element, family: Family) => T): T[] =>
    (by.get(name) ?? []).map((element) => read(element, familyOf(element)));
  const servers = serversOf(by);
  distinct(servers.map(({ key }) => key));
  distinct(servers.flatMap(occupies));
  return {
    servers,
    addresses: [
      ...all("ping", ({ key }, family) => ({ address: addressIn(family, key), device: "lo" })),
      ...all("owned", ({ key, comment }, family) => ({ address: addressIn(family, key), device: device(comment) })),
    ],
    snats: all("snats", ({ key, value }, family) => ({
      subnet: rangeIn(family, subnet(key, family)),
      to: addressIn(family, value),
    })),
    redirects: all("redirects", ({ key, value }, family) => {
      const [address, protocol, published] = words(key, 3);
      const [same, target] = words(value, 2);
      if (same !== address) foreign();
      return {
        address: addressIn(family, address),
        protocol: named(protocol),
        published: port(published),
        target: port(target),
      };
    }),
    published: all("host", ({ key, value, comment }, family) => {
      const [protocol, from] = words(key, 2);
      const [to, toPort] = words(value, 2);
      const way = { to: addressIn(family, to), toPort: port(toPort), bridge: device(comment) };
      return { protocol: named(protocol), port: port(from), ...way };
    }),
    sysctls: {},
  };
}

function serversOf(by: ReadonlyMap<string, readonly Element[]>): VirtualServer[] {
  const tasks = grouped(by.get("tasks") ?? [], ({ key }) => words(key, 2)[0]!);
  const ports = grouped(by.get("ports") ?? [], (element) => `${familyOf(element)} ${element.value}`);
  const names = grouped(by.get("names") ?? [], ({ key }) => words(key, 2)[0]!);
  return (by.get("servers") ?? []).map((element): VirtualServer => {
    const { key, value, comment = "" } = element;
    const family = familyOf(element);
    const order = ({ key }: Element): number => number(words(key, 2)[1], 0, MOST_PIECES);
    const more = (names.get(key) ?? []).toSorted((a, b) => order(a) - order(b));
    return {
      ...told(comment + more.map((piece) => piece.comment ?? "").join("")),
      vip: addressIn(family, value),
      mark: mark(key),
      ports: (ports.get(`${family} goto s-${key}`) ?? []).map((entry) => {
        const [protocol, published] = words(entry.key, 2);
        return { protocol: named(protocol), port: port(published) };
      }),
      destinations: (tasks.get(key) ?? []).map((entry) => ({
        address: addressIn(family, words(entry.key, 2)[1]),
        weight: weight(entry.value),
      })),
    };
  });
}

/** Of a key that is too long for one comment. */
const MOST_PIECES = 256;

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
const named = (protocol: string | undefined): Protocol => NAMES.get(protocol ?? "") ?? foreign();
const familyOf = (element: Element): Family => (element.in.endsWith("6") ? 6 : 4);
/** A range of one address is listed without its length. */
const subnet = (key: string, family: Family): string => (key.includes("/") ? key : `${key}/${family === 4 ? 32 : 128}`);

/** The parts of a concatenation, as many as there must be. */
function words(concatenation: string | undefined, count: number): readonly string[] {
  const parts = (concatenation ?? "").split(" . ");
  return parts.length === count ? parts : foreign();
}

function grouped<T>(items: readonly T[], by: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(by(item));
    if (group === undefined) groups.set(by(item), [item]);
    else group.push(item);
  }
  return groups;
}
