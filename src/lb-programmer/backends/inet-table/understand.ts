/** From what is in the kernel back to the state that it came from; and whether it is all of it, and nothing else. */
import type { Ruleset } from "../../../os/nftables/ruleset.ts";
import { occupies } from "../../entries.ts";
import { countOf } from "../../port-ranges.ts";
import type { LbState, PortRange, PublishedPort, VirtualServer } from "../../state.ts";
import {
  addressIn,
  device,
  distinct,
  foreign,
  MOST_PORTS,
  mark,
  NOT_WHOLE,
  number,
  PROTOCOLS,
  port,
  rangeIn,
  unlessForeign,
  weight,
  word,
} from "../common/typed.ts";
import { told } from "./comment.ts";
import { complete } from "./complete.ts";
import type { Dialect, Installed } from "./dialect.ts";
import type { Placed } from "./parts.ts";
import { type Family, isName, type Keyed } from "./sets.ts";

export interface Understood {
  /** Without `sysctls`. */
  readonly state: LbState;
  readonly servers: readonly Installed[];
}

/** A server with what of it is not in the table. */
export type Whole = (server: VirtualServer) => VirtualServer;

/**
 * The state that this table holds; undefined if it is not exactly what this state is written as: somebody changed it, or another version of
 * ours wrote it, or it is more than `most` elements. Then it has to be built anew.
 */
export function understand(
  dialect: Dialect,
  table: Ruleset,
  most: number,
  whole: Whole = (server) => server,
): Understood | undefined {
  return unlessForeign(() => {
    const elements = elementsOf(table);
    if (elements.length > most) return foreign();
    const said = stateOf(dialect.led, elements, whole);
    const servers = complete(dialect, said, table, elements) ?? foreign();
    const found = servers.map(({ server, left }) => (left === undefined ? server : { ...server, affinity: NOT_WHOLE }));
    return { state: { ...said, servers: found }, servers };
  });
}

/** Those of our own maps and sets. */
const elementsOf = ({ elements }: Ruleset): readonly Placed[] =>
  [...elements].flatMap(([name, list]) =>
    isName(name) ? list.map((element) => ({ ...element, in: name })) : foreign(),
  );

/** Marks of servers of ours in a table, whatever else it has. */
export const marksIn = (table: Ruleset): readonly number[] =>
  [4, 6].flatMap((family) =>
    (table.elements.get(`servers${family}`) ?? []).flatMap(({ key }) => unlessForeign(() => mark(key)) ?? []),
  );

function stateOf(led: Dialect["led"], elements: readonly Placed[], whole: Whole): LbState {
  const by = grouped(elements, (element) => element.in.replace(/[46]$/, ""));
  const all = <T>(name: Keyed, read: (element: Placed, family: Family) => T): T[] =>
    (by.get(name) ?? []).map((element) => read(element, familyOf(element)));
  const servers = serversOf(by, led).map(whole);
  distinct(servers.map(({ key }) => key));
  if (countOf(servers.flatMap(({ ports }) => ports)) > MOST_PORTS) return foreign();
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
    published: publishedOf(by),
    sysctls: {},
  };
}

function publishedOf(by: By): PublishedPort[] {
  const limited = new Set((by.get("limited") ?? []).map((element) => `${familyOf(element)} ${element.key}`));
  const sources = grouped(by.get("sources") ?? [], (element) => {
    const [, protocol, ports] = words(element.key, 3);
    return `${familyOf(element)} ${protocol} . ${ports}`;
  });
  return [...(by.get("host") ?? []), ...(by.get("host-ranges") ?? [])].map((element) => {
    const family = familyOf(element);
    const range = portsOf(words(element.key, 2));
    const [to, toPort] = range.last === undefined ? words(element.value, 2) : [element.value, `${range.port}`];
    const place = `${family} ${element.key}`;
    const from = (sources.get(place) ?? []).map(({ key }) => rangeIn(family, subnet(words(key, 3)[0]!, family)));
    return {
      ...range,
      ...{ to: addressIn(family, to), toPort: port(toPort), bridge: device(element.comment) },
      ...(limited.has(place) && { sources: from }),
    };
  });
}

/** "tcp", "80" or "8000-8010". */
function portsOf([protocol, numbers = ""]: readonly string[]): PortRange {
  const [first, last, ...more] = numbers.split("-");
  if (more.length > 0) return foreign();
  const range = { protocol: word(protocol, PROTOCOLS), port: port(first) };
  return last === undefined ? range : { ...range, last: number(last, range.port + 1, 65_535) };
}

type By = ReadonlyMap<string, readonly Placed[]>;

function serversOf(by: By, led: Dialect["led"]): VirtualServer[] {
  const tasks = grouped(by.get("tasks") ?? [], ({ key }) => words(key, 2)[0]!);
  const placed = (...maps: Keyed[]) =>
    grouped(
      maps.flatMap((map) => by.get(map) ?? []),
      (element) => `${familyOf(element)} ${element.value}`,
    );
  const ports = placed(...led.ports);
  const declared = placed(...led.declared);
  const names = grouped(by.get("names") ?? [], ({ key }) => words(key, 2)[0]!);
  return (by.get("servers") ?? []).map((element): VirtualServer => {
    const { key, value, comment = "" } = element;
    const family = familyOf(element);
    const order = ({ key }: Placed): number => number(words(key, 2)[1], 0, MOST_PIECES);
    const more = (names.get(key) ?? []).toSorted((a, b) => order(a) - order(b));
    const { limited, ...said } = told(comment + more.map((piece) => piece.comment ?? "").join(""));
    const to = `${family} ${led.to(key)}`;
    return {
      ...said,
      vip: addressIn(family, value),
      mark: mark(key),
      ports: (ports.get(to) ?? []).map((entry) => portsOf(words(entry.key, 2))),
      ...(limited && { only: (declared.get(to) ?? []).map((entry) => portsOf(words(entry.key, 3).slice(1))) }),
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
