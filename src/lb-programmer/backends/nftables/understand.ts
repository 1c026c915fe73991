/** From what is in the kernel back to the state that it came from; and whether it is all of it, and nothing else. */
import type { Ruleset } from "../../../os/nftables/ruleset.ts";
import { occupies } from "../../diff.ts";
import type { LbState, VirtualServer } from "../../state.ts";
import {
  addressIn,
  device,
  distinct,
  foreign,
  mark,
  number,
  PROTOCOLS,
  port,
  rangeIn,
  unlessForeign,
  weight,
  word,
} from "../common/typed.ts";
import { told } from "./comment.ts";
import { isComplete } from "./complete.ts";
import type { Placed } from "./parts.ts";
import { type Family, isSlotMap, type Keyed, type Name, SETS } from "./sets.ts";

/**
 * The state that this table holds; undefined if it is not exactly what this state is written as: somebody changed it, or another version of
 * ours wrote it, or it is more than `most` elements. Then it has to be built anew. `sysctls` is empty.
 */
export function understand(table: Ruleset, most: number): LbState | undefined {
  return unlessForeign(() => {
    const elements = elementsOf(table);
    if (elements.length > most) return foreign();
    const state = stateOf(elements);
    return isComplete(state, table, elements) ? state : foreign();
  });
}

/** Those of our own maps and sets. */
const elementsOf = ({ elements }: Ruleset): readonly Placed[] =>
  [...elements].flatMap(([name, list]) =>
    isName(name) ? list.map((element) => ({ ...element, in: name })) : foreign(),
  );

const isName = (name: string): name is Name => SETS.has(name) || isSlotMap(name);

function stateOf(elements: readonly Placed[]): LbState {
  const by = grouped(elements, (element) => element.in.replace(/[46]$/, ""));
  const all = <T>(name: Keyed, read: (element: Placed, family: Family) => T): T[] =>
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
        protocol: word(protocol, PROTOCOLS),
        published: port(published),
        target: port(target),
      };
    }),
    published: all("host", ({ key, value, comment }, family) => {
      const [protocol, from] = words(key, 2);
      const [to, toPort] = words(value, 2);
      const way = { to: addressIn(family, to), toPort: port(toPort), bridge: device(comment) };
      return { protocol: word(protocol, PROTOCOLS), port: port(from), ...way };
    }),
    sysctls: {},
  };
}

function serversOf(by: ReadonlyMap<string, readonly Placed[]>): VirtualServer[] {
  const tasks = grouped(by.get("tasks") ?? [], ({ key }) => words(key, 2)[0]!);
  const ports = grouped(by.get("ports") ?? [], (element) => `${familyOf(element)} ${element.value}`);
  const names = grouped(by.get("names") ?? [], ({ key }) => words(key, 2)[0]!);
  return (by.get("servers") ?? []).map((element): VirtualServer => {
    const { key, value, comment = "" } = element;
    const family = familyOf(element);
    const order = ({ key }: Placed): number => number(words(key, 2)[1], 0, MOST_PIECES);
    const more = (names.get(key) ?? []).toSorted((a, b) => order(a) - order(b));
    return {
      ...told(comment + more.map((piece) => piece.comment ?? "").join("")),
      vip: addressIn(family, value),
      mark: mark(key),
      ports: (ports.get(`${family} goto s-${key}`) ?? []).map((entry) => {
        const [protocol, published] = words(entry.key, 2);
        return { protocol: word(protocol, PROTOCOLS), port: port(published) };
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

const familyOf = (element: Placed): Family => (element.in.endsWith("6") ? 6 : 4);
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
