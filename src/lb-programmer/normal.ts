/** The canonical form of a state. Pure. */
import type { LbState, PortRange, VirtualServer } from "./state.ts";

/** The state with everything sorted and nothing that is not in its type: equal states are deeply equal, and print equal. */
export function normal(state: LbState): LbState {
  return {
    addresses: sorted(state.addresses, ({ address, device }) => ({ address, device })),
    servers: sorted(state.servers, normalServer),
    snats: sorted(state.snats, ({ subnet, to }) => ({ subnet, to })),
    redirects: sorted(state.redirects, ({ address, protocol, published, target }) => ({
      address,
      protocol,
      published,
      target,
    })),
    published: sorted(state.published, ({ protocol, port, last, to, toPort, bridge, sources }) => ({
      ...{ protocol, port, to, toPort, bridge },
      ...(last !== undefined && { last }),
      ...(sources && { sources: [...sources].sort() }),
    })),
    sysctls: Object.fromEntries(sorted(Object.entries(state.sysctls), (entry) => entry)),
  };
}

const normalServer = (s: VirtualServer): VirtualServer => ({
  key: s.key,
  vip: s.vip,
  mark: s.mark,
  from: s.from,
  ports: sorted(s.ports, normalRange),
  ...(s.only && { only: sorted(s.only, normalRange) }),
  scheduler: s.scheduler,
  affinity: s.affinity,
  forwarding: s.forwarding,
  ...(s.keepSource && { keepSource: s.keepSource }),
  destinations: sorted(s.destinations, ({ address, weight }) => ({ address, weight })),
});

const normalRange = ({ protocol, port, last }: PortRange): PortRange => ({
  protocol,
  port,
  ...(last !== undefined && { last }),
});

/** Copies, ordered by their text: their first member decides, it is what they are known by. */
function sorted<T>(entries: readonly T[], copy: (entry: T) => T): T[] {
  return entries
    .map((entry) => copy(entry))
    .map((entry) => [JSON.stringify(entry), entry] as const)
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
    .map(([, entry]) => entry);
}
