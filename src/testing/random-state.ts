/** Any valid balancing state; few names and numbers, so that two of them have much in common. Says what is drawn, not from where. */
import { entryKey, occupies } from "../lb-programmer/entries.ts";
import { overlap, rangeOf } from "../lb-programmer/port-ranges.ts";
import type { LbState, PortRange, PublishedPort, VirtualServer } from "../lb-programmer/state.ts";
import type { Protocol, Scheduler } from "../model/types.ts";

/** What a backend can do: states hold nothing else. */
export interface Limits {
  readonly schedulers?: readonly Scheduler[];
  readonly forwarding?: readonly VirtualServer["forwarding"][];
  readonly from?: readonly VirtualServer["from"][];
  readonly families?: readonly (4 | 6)[];
  /** Interface beside `lo` that VIPs may be added to. */
  readonly device?: string;
}

/** An integer from `min` to `max`, both included. */
export type Draw = (min: number, max: number) => number;

export function randomState(draw: Draw, limits: Limits = {}): LbState {
  const { families = [4, 6] } = limits;
  const family = () => oneOf(draw, families);
  const protocol = () => oneOf(draw, PROTOCOLS);
  const address = (net: string, min: number, max: number) => addressIn(family(), net, draw(min, max));
  const vip = () => ({ address: address("1", 2, 6), device: oneOf(draw, ["lo", limits.device ?? "lo"]) });
  const snat = () => {
    const six = family();
    return { subnet: subnet(six, oneOf(draw, ["0", "1"])), to: addressIn(six, "1", draw(100, 102)) };
  };
  const redirect = () => ({
    ...{ address: address("0", 4, 5), protocol: protocol() },
    ...{ published: draw(8080, 8082), target: draw(80, 81) },
  });
  const published = () => randomPublished(draw, address("18", 2, 3));
  return {
    addresses: several(draw, 5, (a) => a.address, vip), // on two devices the kernel would take one; no plan has that
    servers: withoutConflicts(list(draw, 6, () => randomServer(draw, family(), limits))),
    snats: several(draw, 5, entryKey.snat, snat),
    redirects: several(draw, 5, entryKey.redirect, redirect),
    published: withoutOverlaps(several(draw, 5, entryKey.published, published)),
    sysctls: {},
  };
}

const PROTOCOLS: readonly Protocol[] = ["tcp", "udp", "sctp"];
const SCHEDULERS: readonly Scheduler[] = ["rr", "wrr", "lc", "wlc", "sh", "mh"];
const FROM: readonly VirtualServer["from"][] = ["local", "arriving", "published"];

function randomServer(draw: Draw, family: 4 | 6, limits: Limits): VirtualServer {
  const { schedulers = SCHEDULERS, forwarding = ["masquerade", "direct"], from: ways = FROM } = limits;
  const from = oneOf(draw, ways);
  const keepSource = from === "published" && draw(0, 1) === 1;
  const range = (): PortRange => {
    const first = { protocol: oneOf(draw, PROTOCOLS), port: draw(8080, 8085) };
    return rangeOf(first, first.port + draw(0, 2));
  };
  const ports = from === "published" ? [range(), ...list(draw, 2, range)] : [];
  return {
    key: `${oneOf(draw, ["web", "api", "db", "cache", "mail"])}/mynet/${family}${keepSource ? "/local" : ""}`,
    vip: addressIn(family, "1", draw(2, 8)),
    mark: draw(256, 263),
    from,
    ports: withoutOverlaps(ports),
    ...(!keepSource && draw(0, 2) === 0 ? { only: withoutOverlaps(list(draw, 3, range)) } : {}),
    scheduler: oneOf(draw, schedulers),
    affinity: oneOf(draw, [0, 0, 0, 60, 3600]),
    forwarding: oneOf(draw, forwarding),
    ...(keepSource ? { keepSource } : {}),
    destinations: several(
      draw,
      5,
      (d) => d.address,
      () => ({
        address: addressIn(family, "1", draw(20, 25)),
        weight: oneOf(draw, [1, 0, 1, 1, draw(2, 65_535)]),
      }),
    ),
  };
}

function randomPublished(draw: Draw, to: string): PublishedPort {
  const bridge = oneOf(draw, ["e11-gw", "e11-br"]);
  const first = { protocol: oneOf(draw, PROTOCOLS), port: draw(9080, 9083), to, bridge };
  const [wide, last] = [draw(0, 2) === 0, first.port + draw(1, 3)];
  const port = wide ? rangeOf({ ...first, toPort: first.port }, last) : { ...first, toPort: draw(9080, 9083) };
  const sources =
    draw(0, 2) === 0 && several(draw, 2, String, () => subnet(to.includes(":") ? 6 : 4, oneOf(draw, ["0", "1", "2"])));
  return sources ? { ...port, sources } : port;
}

/** Those that have no port in common with one before them. */
const withoutOverlaps = <T extends PortRange & { readonly to?: string }>(ports: readonly T[]): T[] =>
  ports.filter((port, i) => !ports.slice(0, i).some((other) => overlap(port, other)));

/** The first of those that would take up the same VIP, port or mark, or have the same key. */
function withoutConflicts(servers: readonly VirtualServer[]): VirtualServer[] {
  const taken = new Set<string>();
  return servers.filter((server) => {
    const wanted = [server.key, ...occupies(server)];
    if (wanted.some((w) => taken.has(w))) return false;
    for (const w of wanted) taken.add(w);
    return true;
  });
}

const oneOf = <T>(draw: Draw, choices: readonly T[]): T => choices[draw(0, choices.length - 1)]!;

const list = <T>(draw: Draw, most: number, entry: () => T): T[] => Array.from({ length: draw(0, most) }, entry);

const several = <T>(draw: Draw, most: number, place: (entry: T) => string, entry: () => T): T[] =>
  unique(list(draw, most, entry), place);

/** One for each place: the first that was drawn for it. */
const unique = <T>(entries: readonly T[], place: (entry: T) => string): T[] => [
  ...new Map([...entries].reverse().map((entry) => [place(entry), entry])).values(),
];

const addressIn = (family: 4 | 6, net: string, n: number): string =>
  family === 4 ? `10.0.${net}.${n}` : `${net6(net)}${n.toString(16)}`;

const subnet = (family: 4 | 6, net: string): string => (family === 4 ? `10.0.${net}.0/24` : `${net6(net)}/64`);

const net6 = (net: string): string => (net === "0" ? "fd00::" : `fd00:${net}::`);
