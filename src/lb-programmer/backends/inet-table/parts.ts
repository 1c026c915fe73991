/** What states consist of in our table: elements of maps and sets, chains, sets of clients. Here, all but what servers are balanced by. */
import { familyOf } from "../../../model/address.ts";
import type { Element, NamedSet } from "../../../os/nftables/types.ts";
import { numbersText } from "../../port-ranges.ts";
import type {
  LbState,
  LocalAddress,
  PortRange,
  PortRedirect,
  PublishedPort,
  Snat,
  VirtualServer,
} from "../../state.ts";
import { commentsOf } from "./comment.ts";
import type { Keyed, Name } from "./sets.ts";
import type { Rule } from "./words.ts";

export interface Placed extends Element {
  readonly in: Name;
}

/** What one server (or a whole state) consists of in the kernel, beside base chains. */
export interface Parts {
  readonly elements: readonly Placed[];
  /** Rules by chain. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  /** Sets that remember clients, by name. */
  readonly sets: ReadonlyMap<string, NamedSet>;
  /** Names of what counts a server's connections, and the packets of these. */
  readonly counters?: readonly string[];
  /** Of each rule, for people who list the table. */
  readonly comment?: string;
}

export const NOTHING: Parts = { elements: [], chains: new Map(), sets: new Map() };

export const inFamily = (name: Keyed, address: string): Name => `${name}${familyOf(address)}`;

/** What servers are read back by. */
export function serverElements(server: VirtualServer): readonly Placed[] {
  const { vip, mark } = server;
  const [comment, ...more] = commentsOf(server);
  return [
    { in: inFamily("servers", vip), key: `${mark}`, value: vip, comment },
    ...more.map((piece, i): Placed => ({ in: "names", key: `${mark} . ${i}`, comment: piece })),
  ];
}

/** Published ports that keep the client's address may share their VIP with those that don't: then it is not theirs. */
export const ownsVip = ({ from, keepSource }: VirtualServer): boolean => from !== "published" || !keepSource;

/** "tcp . 80", "tcp . 8000-8010". */
export const portKey = (range: PortRange): string => `${range.protocol} . ${numbersText(range)}`;

/** A VIP on "lo" is there for ping only: echo requests are redirected. Others are addresses, which we remember as ours. */
const addressElement = ({ address, device }: LocalAddress): Placed =>
  device === "lo"
    ? { in: inFamily("ping", address), key: address }
    : { in: inFamily("owned", address), key: address, comment: device };

/** A range of one address is listed without its length, so it is written without, too. */
const plainRange = (range: string): string => range.replace(familyOf(range) === 6 ? /\/128$/ : /\/32$/, "");

const snatElement = ({ subnet, to }: Snat): Placed => ({
  in: inFamily("snats", to),
  key: plainRange(subnet),
  value: to,
});

const redirectElement = ({ address, protocol, published, target }: PortRedirect): Placed => ({
  in: inFamily("redirects", address),
  key: `${address} . ${protocol} . ${published}`,
  value: `${address} . ${target}`,
});

function publishedElements(published: PublishedPort): readonly Placed[] {
  const { last, to, toPort, bridge, sources } = published;
  const key = portKey(published);
  return [
    last === undefined
      ? { in: inFamily("host", to), key, value: `${to} . ${toPort}`, comment: bridge }
      : { in: inFamily("host-ranges", to), key, value: to, comment: bridge },
    ...(sources === undefined ? [] : [{ in: inFamily("limited", to), key }]),
    ...(sources ?? []).map((range) => ({ in: inFamily("sources", to), key: `${plainRange(range)} . ${key}` })),
  ];
}

/** Bridges that published ports lead over. */
function bridgeElements(published: readonly PublishedPort[]): readonly Placed[] {
  return [...new Set(published.map(({ bridge }) => bridge))].map((bridge) => ({ in: "bridges", key: `"${bridge}"` }));
}

/** Everything but the servers. */
export const otherElements = (state: LbState): readonly Placed[] => [
  ...state.addresses.map(addressElement),
  ...state.snats.map(snatElement),
  ...state.redirects.map(redirectElement),
  ...state.published.flatMap(publishedElements),
  ...bridgeElements(state.published),
];
