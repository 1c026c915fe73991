/**
 * The same services as others would have them in nftables, as text for `nft -f -`: what ours is measured against. One is what an
 * operator's script writes; the other has the shape of kube-proxy's nftables mode, written here from its documentation.
 */
import type { VirtualServer } from "../src/lb-programmer/state.ts";

export interface Ruleset {
  readonly name: string;
  /** Everything, from nothing. */
  load(servers: readonly VirtualServer[]): string;
  /** `server` has got its last task: what is sent then. `servers` are all of them as they are now. */
  oneTask(server: VirtualServer, servers: readonly VirtualServer[]): string;
}

/** A map from VIP to chain, a rule for each service; changed as files are, by loading all of it again. */
export const script: Ruleset = {
  name: "nft -f of a script",
  load(servers) {
    const chains = servers.flatMap(({ mark, destinations }) => {
      const turns = destinations.map(({ address }, i) => `${i} : ${address}`).join(", ");
      return [`chain s${mark} {`, `dnat to numgen inc mod ${destinations.length} map { ${turns} }`, "}"];
    });
    return [
      "table ip script",
      "delete table ip script",
      "table ip script {",
      "map vips {",
      "type ipv4_addr : verdict",
      elements(servers.map(({ vip, mark }) => `${vip} : goto s${mark}`)),
      "}",
      "chain output {",
      "type nat hook output priority -100; policy accept;",
      "ip daddr vmap @vips",
      "}",
      ...chains,
      "}",
      "",
    ].join("\n");
  },
  oneTask: (_, servers) => script.load(servers),
};

/** A map from VIP, protocol and port to a chain for each service; a chain for each task; only what changed is sent. */
export const kubeProxy: Ruleset = {
  name: "kube-proxy's pattern",
  load: (servers) =>
    [
      ...KUBE_PROXY,
      ...servers.flatMap((server) => [
        ...server.destinations.flatMap(({ address }) => endpointChain(server, address)),
        `add chain ${TABLE} ${serviceChain(server)}`,
        ...serviceRules(server),
      ]),
      `add element ${TABLE} cluster-ips { ${servers.map(({ vip }) => vip).join(", ")} }`,
      `add element ${TABLE} service-ips { ${servers.map((s) => `${s.vip} . tcp . 80 : goto ${serviceChain(s)}`).join(", ")} }`,
      "",
    ].join("\n"),
  oneTask: (server) =>
    [
      ...endpointChain(server, server.destinations.at(-1)!.address),
      `flush chain ${TABLE} ${serviceChain(server)}`,
      ...serviceRules(server),
      "",
    ].join("\n"),
};

const TABLE = "ip kube-proxy";
const serviceChain = ({ mark }: VirtualServer): string => `service-${mark}-ns/web/tcp/80`;
const endpointName = ({ mark }: VirtualServer, address: string): string =>
  `endpoint-${mark}-ns/web/tcp/80__${address}/80`;
const elements = (list: readonly string[]): string => (list.length === 0 ? "" : `elements = { ${list.join(", ")} }`);

const endpointChain = (server: VirtualServer, address: string): string[] => [
  `add chain ${TABLE} ${endpointName(server, address)}`,
  `add rule ${TABLE} ${endpointName(server, address)} ip saddr ${address} jump mark-for-masquerade`,
  `add rule ${TABLE} ${endpointName(server, address)} meta l4proto tcp dnat to ${address}:80`,
];

/** Who comes from outside is masqueraded; then one of the tasks at random. */
function serviceRules(server: VirtualServer): string[] {
  const { vip, destinations } = server;
  const turns = destinations.map(({ address }, i) => `${i} : goto ${endpointName(server, address)}`).join(", ");
  const to = `add rule ${TABLE} ${serviceChain(server)}`;
  return [
    `${to} ip daddr ${vip} tcp dport 80 ip saddr != 10.20.0.0/14 jump mark-for-masquerade`,
    `${to} numgen random mod ${destinations.length} vmap { ${turns} }`,
  ];
}

const base = (name: string, type: string, hook: string, priority: string, rule: string): string[] => [
  `add chain ${TABLE} ${name} { type ${type} hook ${hook} priority ${priority}; }`,
  `add rule ${TABLE} ${name} ${rule}`,
];

const KUBE_PROXY = [
  `add table ${TABLE}`,
  `delete table ${TABLE}`,
  `add table ${TABLE}`,
  `add set ${TABLE} cluster-ips { type ipv4_addr; }`,
  ...["service-ips", "no-endpoint-services"].map(
    (map) => `add map ${TABLE} ${map} { type ipv4_addr . inet_proto . inet_service : verdict; }`,
  ),
  ...["mark-for-masquerade", "masquerading", "services", "cluster-ips-check", "endpoints-check"].map(
    (chain) => `add chain ${TABLE} ${chain}`,
  ),
  `add rule ${TABLE} mark-for-masquerade meta mark set meta mark or 0x4000`,
  `add rule ${TABLE} masquerading meta mark and 0x4000 == 0 return`,
  `add rule ${TABLE} masquerading meta mark set meta mark xor 0x4000`,
  `add rule ${TABLE} masquerading masquerade fully-random`,
  `add rule ${TABLE} services ip daddr . meta l4proto . th dport vmap @service-ips`,
  `add rule ${TABLE} cluster-ips-check ip daddr @cluster-ips reject`,
  `add rule ${TABLE} endpoints-check ip daddr . meta l4proto . th dport vmap @no-endpoint-services`,
  ...base("nat-prerouting", "nat", "prerouting", "-100", "jump services"),
  ...base("nat-output", "nat", "output", "-100", "jump services"),
  ...base("nat-postrouting", "nat", "postrouting", "100", "jump masquerading"),
  ...base("filter-input", "filter", "input", "-110", "ct state new jump endpoints-check"),
  ...base("filter-forward", "filter", "forward", "-110", "ct state new jump endpoints-check"),
  ...base("filter-output", "filter", "output", "-110", "ct state new jump endpoints-check"),
  ...base("filter-output-post-dnat", "filter", "output", "-90", "ct state new jump cluster-ips-check"),
];
