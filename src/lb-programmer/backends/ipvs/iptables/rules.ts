/**
 * Balancing state as iptables rules: chains of our own, each entered by its own jumps, so that others' rules are never
 * touched and ours are read back exactly (saved.ts). What a rule can't say is in its comment. Pure.
 *
 *   mangle  ELEVEN-LOCAL       from OUTPUT       VIP -> mark: connections of this namespace
 *           ELEVEN-ARRIVING    from INPUT        VIP -> mark: connections that reach it
 *           ELEVEN-PUBLISHED   from PREROUTING   port -> mark
 *           ELEVEN-SOURCES     from PREROUTING   who may reach the host's published ports
 *           ELEVEN-GUARD       from PREROUTING   what only loopback may carry is dropped on the host's bridges
 *           ELEVEN-ADDRESSES   (no jump)         notes: which addresses of this namespace are ours
 *   nat     ELEVEN-SNAT        from POSTROUTING  source of balanced connections
 *           ELEVEN-PING        from OUTPUT       VIPs that are no addresses here answer ping
 *           ELEVEN-REDIRECT    from PREROUTING   a task's published ports
 *           ELEVEN-INGRESS     from both         the host's published ports
 *           ELEVEN-MASQUERADE  from POSTROUTING  local connections over the bridge
 *   filter  ELEVEN-INGRESS     from FORWARD      lets published connections pass
 *           ELEVEN-REFUSE      from INPUT        new TCP connections to servers without tasks
 *           ELEVEN-DENY        from OUTPUT       the same for this namespace's, and those of tasks that are gone
 *           ELEVEN-UNDECLARED  from both         ports of a VIP that its service does not declare
 *
 * IPVS refuses by ICMP where it has no destination. TCP drops an ICMP error that comes while connect(2) is at work, which
 * is always so on one machine with IPv6 (seen: refused after the second SYN, 1 s later); a reset it keeps.
 */
import { familyOf } from "../../../../model/address.ts";
import type { LbOp, LocalAddress, VirtualServer } from "../../../state.ts";
import { type Family, isIdle, isLocal, UNSERVED } from "../server.ts";
import { type Chain, comment, hex, host, jump, keyText, markPorts, markVip, port } from "./chain.ts";
import { GUARD, INGRESS, MASQUERADE, PASS, SOURCES } from "./published.ts";

const LOCAL: Chain = {
  table: "mangle",
  name: "ELEVEN-LOCAL",
  ...jump("OUTPUT"),
  rules: ({ servers }) =>
    servers.filter(isLocal).flatMap((s) => {
      const unserved = `-d ${host(s.vip)} ${SYN} -j MARK --set-xmark ${hex(UNSERVED + s.mark)}/0xffffffff`;
      return isIdle(s) ? [...markVip(s), unserved] : markVip(s);
    }),
};

/** Ports that keep the client's address share their VIP with the service's other ports: theirs are the later rules, which win. */
const ARRIVING: Chain = {
  table: "mangle",
  name: "ELEVEN-ARRIVING",
  ...jump("INPUT"),
  rules: ({ servers }) => {
    const arriving = servers.filter((s) => !isLocal(s));
    const late = arriving.filter((s) => s.keepSource && s.from === "published");
    return [
      ...arriving.filter((s) => !late.includes(s)).flatMap(markVip),
      ...late.flatMap((s) => markPorts(s, `-d ${host(s.vip)} `)),
    ];
  },
};

const PUBLISHED: Chain = {
  table: "mangle",
  name: "ELEVEN-PUBLISHED",
  ...jump("PREROUTING"),
  rules: ({ servers }) => servers.flatMap((s) => markPorts(s, "")),
};

const ADDRESSES: Chain = {
  table: "mangle",
  name: "ELEVEN-ADDRESSES",
  ...jump(),
  rules: ({ addresses }) => addresses.map((a) => `-d ${host(a.address)} ${comment(a.device)}`),
};

const SNAT: Chain = {
  table: "nat",
  name: "ELEVEN-SNAT",
  ...jump("POSTROUTING"),
  rules: ({ servers, snats }) => [
    ...servers
      .filter((s) => s.keepSource)
      .map((s) => `-m mark --mark ${hex(s.mark)} -m ipvs --ipvs ${comment(keyText(s.key))} -j RETURN`),
    ...snats.map((s) => `-d ${s.subnet} -m ipvs --ipvs -j SNAT --to-source ${s.to}`),
  ],
};

const PING: Chain = {
  table: "nat",
  name: "ELEVEN-PING",
  jumps: (family) => [
    family === 4 ? "OUTPUT -p icmp -m icmp --icmp-type 8" : "OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128",
  ],
  rules: ({ addresses, servers }) => {
    const balanced = balancedHere(servers);
    return addresses.filter((a) => !isReal(balanced, a)).map((a) => `-d ${host(a.address)} -j REDIRECT`);
  },
};

const REDIRECT: Chain = {
  table: "nat",
  name: "ELEVEN-REDIRECT",
  ...jump("PREROUTING"),
  rules: ({ redirects }) =>
    redirects.map(
      (r) => `-d ${host(r.address)} ${port(r.protocol, "dport", r.published)} -j REDIRECT --to-ports ${r.target}`,
    ),
};

const SYN = "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN";
const RESET = "-j REJECT --reject-with tcp-reset";

const REFUSE: Chain = {
  table: "filter",
  name: "ELEVEN-REFUSE",
  ...jump("INPUT"),
  rules: ({ servers }) =>
    servers.filter((s) => !isLocal(s) && isIdle(s)).map((s) => `-m mark --mark ${hex(s.mark)} ${SYN} ${RESET}`),
};

/**
 * What IPVS did not take although it has a mark: connections of a task that is gone, which would otherwise leave for the VIP
 * and hang, and new ones to idle servers. In OUTPUT, IPVS comes before the filter, so these have a mark that it does not know.
 */
const DENY: Chain = {
  table: "filter",
  name: "ELEVEN-DENY",
  ...jump("OUTPUT -p tcp -m mark ! --mark 0x0 -m ipvs ! --ipvs"),
  rules: ({ servers }) =>
    servers.filter(isLocal).map((s) => `-p tcp -m mark --mark ${hex(s.mark)}/0x7fffffff ${RESET}`),
};

/**
 * All but TCP of this namespace's, which DENY has. What arrives is seen before IPVS has looked at it: there, only what begins
 * a connection may be refused.
 */
const UNDECLARED: Chain = {
  table: "filter",
  name: "ELEVEN-UNDECLARED",
  jumps: () => [
    "OUTPUT -m mark ! --mark 0x0 -m ipvs ! --ipvs",
    "INPUT -m mark ! --mark 0x0 -m conntrack --ctstate NEW",
  ],
  rules: ({ servers }, family) => {
    const refuse = `-j REJECT --reject-with ${family === 6 ? "icmp6" : "icmp"}-port-unreachable`;
    return servers
      .filter((s) => s.only)
      .flatMap((s) => {
        const match = (protocol: string) => `-p ${protocol} -m mark --mark ${hex(UNSERVED + s.mark)}`;
        return [`${match("tcp")} ${RESET}`, `${match("udp")} ${refuse}`, `${match("sctp")} ${refuse}`];
      });
  },
};

export const CHAINS = {
  LOCAL,
  ARRIVING,
  PUBLISHED,
  ADDRESSES,
  SNAT,
  PING,
  REDIRECT,
  GUARD,
  SOURCES,
  INGRESS,
  MASQUERADE,
  PASS,
  REFUSE,
  DENY,
  UNDECLARED,
} as const;

/** Chains that depend on whether a server takes new connections. */
export const IDLE = [LOCAL, REFUSE] as const;
const SERVER = [...IDLE, DENY, UNDECLARED, ARRIVING, PUBLISHED, SNAT, PING];

/** The chains whose rules a step may change, and of which address family. */
export function chainsOf(op: LbOp): { readonly chains: readonly Chain[]; readonly family: Family } | undefined {
  switch (op.op) {
    case "server.add":
    case "server.change": // it may be all that is left of one
    case "server.remove":
      return { chains: SERVER, family: familyOf(op.server.vip) };
    case "address.add":
    case "address.remove":
      return { chains: [ADDRESSES, PING], family: familyOf(op.address.address) };
    case "snat.add":
    case "snat.remove":
      return { chains: [SNAT], family: familyOf(op.snat.subnet) };
    case "redirect.add":
    case "redirect.remove":
      return { chains: [REDIRECT], family: familyOf(op.redirect.address) };
    case "published.add":
    case "published.remove":
      return { chains: [GUARD, SOURCES, INGRESS, MASQUERADE, PASS], family: familyOf(op.published.to) };
    default:
      return undefined;
  }
}

/**
 * Whether an address is one of an interface. Not where this namespace balances for the VIP itself: a local address would be
 * the source of its own connections (the kernel routes them over lo and takes the destination for the source), and a task
 * would answer to the VIP. Such a VIP answers ping by a rule.
 */
export const isReal = (balanced: ReadonlySet<string>, { address, device }: LocalAddress): boolean =>
  device !== "lo" || !balanced.has(address);

/** VIPs for which this namespace balances its own connections. */
export const balancedHere = (servers: readonly VirtualServer[]): Set<string> =>
  new Set(servers.filter(isLocal).map(({ vip }) => vip));
