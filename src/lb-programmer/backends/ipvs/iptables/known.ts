/** Which kinds of rules our chains have: found out from what they write, so that it can't differ from it. Pure. */
import type { LbState, VirtualServer } from "../../../state.ts";
import { unlessForeign } from "../../common/typed.ts";
import type { Family } from "../server.ts";
import type { Chain } from "./chain.ts";
import { kindOf, parseRule, type Rule } from "./rule.ts";

/** True if the chain could have such a rule. */
export function isKnown(chain: Chain, rule: Rule, family: Family): boolean {
  const kind = unlessForeign(() => kindOf(rule, family));
  return kind !== undefined && kindsOf(chain, family).has(kind);
}

const kinds = new Map<string, ReadonlySet<string>>();

function kindsOf(chain: Chain, family: Family): ReadonlySet<string> {
  const name = `${chain.table} ${chain.name} ${family}`;
  const found =
    kinds.get(name) ?? new Set(chain.rules(SAMPLES[family], family).map((r) => kindOf(parseRule(r), family)));
  kinds.set(name, found);
  return found;
}

/** States in which every chain has every kind of rule. */
const SAMPLES: Readonly<Record<Family, LbState>> = {
  4: sample("10.0.0.1", "10.0.0.0/24"),
  6: sample("fd00::1", "fd00::/64"),
};

function sample(address: string, subnet: string): LbState {
  const server: Omit<VirtualServer, "from" | "destinations"> = {
    key: "key",
    vip: address,
    mark: 256,
    ports: [],
    scheduler: "rr",
    affinity: 0,
    forwarding: "masquerade",
  };
  const ports = (["tcp", "udp", "sctp"] as const).flatMap((protocol) => [
    { protocol, port: 1 },
    { protocol, port: 2, last: 3 },
  ]);
  const servers = [[], [{ address, weight: 1 }]].flatMap((destinations): VirtualServer[] => [
    { ...server, from: "local", destinations },
    { ...server, from: "local", destinations, only: ports },
    { ...server, from: "arriving", destinations },
    { ...server, from: "arriving", destinations, only: ports },
    { ...server, from: "arriving", destinations, keepSource: true },
    { ...server, from: "published", destinations, ports },
    { ...server, from: "published", destinations, ports, keepSource: true },
  ]);
  return {
    servers,
    // One that the namespace balances for itself, which answers ping by a rule.
    addresses: [
      { address, device: "lo" },
      { address, device: "eth0" },
    ],
    snats: [{ subnet, to: address }],
    redirects: ports.map(({ protocol }) => ({ address, protocol, published: 1, target: 1 })),
    published: ports.map((range) => ({
      ...range,
      ...{ to: address, toPort: range.port, bridge: "br0", sources: [subnet] },
    })),
    sysctls: {},
  };
}
