/** Any valid balancing state, for property tests; few names and numbers, so that two of them have much in common. */
import fc from "fast-check";
import { occupies } from "../../src/lb-programmer/diff.ts";
import type { Destination, LbState, VirtualServer } from "../../src/lb-programmer/state.ts";
import type { Scheduler } from "../../src/model/types.ts";

export interface Limits {
  readonly schedulers?: readonly Scheduler[];
  readonly forwarding?: readonly VirtualServer["forwarding"][];
  readonly from?: readonly VirtualServer["from"][];
  readonly families?: readonly (4 | 6)[];
  /** Interface beside `lo` that VIPs may be added to. */
  readonly device?: string;
}

export const ALL_SCHEDULERS: readonly Scheduler[] = ["rr", "wrr", "lc", "wlc", "sh", "mh"];

export function randomState(limits: Limits = {}): fc.Arbitrary<LbState> {
  const { families = [4, 6] } = limits;
  const family = fc.constantFrom(...families);
  const protocol = fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const);
  const device = fc.constantFrom("lo", limits.device ?? "lo");
  return fc.record({
    addresses: fc.uniqueArray(
      fc.record({ address: family.chain((f) => address(f, "1", 2, 6)), device }),
      { selector: (a) => a.address, maxLength: 5 }, // the kernel would take one address on two devices, no plan has that
    ),
    servers: fc
      .array(
        family.chain((f) => randomServer(f, limits)),
        { maxLength: 6 },
      )
      .map(withoutConflicts),
    snats: unique(
      family.chain((f) => fc.record({ subnet: subnet(f), to: address(f, "1", 100, 102) })),
      (s) => s.subnet,
    ),
    redirects: unique(
      fc.record({
        address: family.chain((f) => address(f, "0", 4, 5)),
        protocol,
        published: fc.integer({ min: 8080, max: 8082 }),
        target: fc.integer({ min: 80, max: 81 }),
      }),
      (r) => `${r.address} ${r.protocol} ${r.published}`,
    ),
    published: unique(
      fc.record({
        protocol,
        port: fc.integer({ min: 9080, max: 9083 }),
        to: family.chain((f) => address(f, "18", 2, 3)),
        toPort: fc.integer({ min: 9080, max: 9083 }),
        bridge: fc.constantFrom("e11-gw", "e11-br"),
      }),
      (p) => `${p.protocol} ${p.port} ${p.to.includes(":")}`,
    ),
    sysctls: fc.constant({}),
  });
}

function randomServer(family: 4 | 6, limits: Limits): fc.Arbitrary<VirtualServer> {
  const { schedulers = ALL_SCHEDULERS, forwarding = ["masquerade", "direct"], from = FROM } = limits;
  const destination: fc.Arbitrary<Destination> = fc.record({
    address: address(family, "1", 20, 25),
    weight: fc.oneof(fc.constantFrom(0, 1, 1, 1), fc.integer({ min: 2, max: 65_535 })),
  });
  const ports = fc.uniqueArray(
    fc.record({
      protocol: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const),
      port: fc.integer({ min: 8080, max: 8085 }),
    }),
    { selector: (p) => `${p.protocol} ${p.port}`, minLength: 1, maxLength: 3 },
  );
  return fc
    .record({
      name: fc.constantFrom("web", "api", "db", "cache", "mail"),
      vip: address(family, "1", 2, 8),
      mark: fc.integer({ min: 256, max: 263 }),
      from: fc.constantFrom(...from),
      ports,
      scheduler: fc.constantFrom(...schedulers),
      affinity: fc.constantFrom(0, 0, 0, 60, 3600),
      forwarding: fc.constantFrom(...forwarding),
      keepSource: fc.boolean(),
      destinations: unique(destination, (d) => d.address),
    })
    .map(({ name, ports, keepSource, ...server }) => ({
      key: `${name}/mynet/${family}${keepSource && server.from === "published" ? "/local" : ""}`,
      ...server,
      ports: server.from === "published" ? ports : [],
      ...(keepSource && server.from === "published" ? { keepSource } : {}),
    }));
}

const FROM: readonly VirtualServer["from"][] = ["local", "arriving", "published"];

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

const unique = <T>(of: fc.Arbitrary<T>, selector: (entry: T) => string): fc.Arbitrary<T[]> =>
  fc.uniqueArray(of, { selector, maxLength: 5 });

const address = (family: 4 | 6, net: string, min: number, max: number): fc.Arbitrary<string> =>
  fc.integer({ min, max }).map((n) => (family === 4 ? `10.0.${net}.${n}` : `${net6(net)}${n.toString(16)}`));

const subnet = (family: 4 | 6): fc.Arbitrary<string> =>
  fc.constantFrom("0", "1").map((net) => (family === 4 ? `10.0.${net}.0/24` : `${net6(net)}/64`));

const net6 = (net: string): string => (net === "0" ? "fd00::" : `fd00:${net}::`);
