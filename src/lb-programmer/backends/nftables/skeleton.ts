/**
 * The part of our table that is the same everywhere: maps and sets that state is put into, and base chains that look into
 * them. What is added to it are elements and the chains of servers (parts.ts), so a base chain never has to change.
 *
 *   raw prerouting:     what only loopback may carry is dropped elsewhere
 *   output, prerouting: VIP or published port -> verdict map -> chain of the server -> dnat to a task
 *   postrouting:        what was led elsewhere gets a source that replies come back to
 *   filter:             what should have been led somewhere and was not, is refused
 *
 * One table of family inet serves both address families: its nat chains take `dnat ip` and `dnat ip6` side by side.
 */
import { fingerprint } from "./fingerprint.ts";

/** Our table; nothing outside of it is touched. */
export const TABLE = "inet eleven";

/** Maps and sets by name; the text between the braces. Each is there once per address family: "local4", "local6". */
const PER_FAMILY = {
  // Mark of a server -> VIP; the comment holds the rest of the server (comment.ts). Nothing looks it up but us.
  servers: "map mark : ADDR",
  // VIP -> chain of its server.
  local: "map ADDR : verdict",
  arriving: "map ADDR : verdict",
  // Published port -> chain of its server.
  ports: "map inet_proto . inet_service : verdict",
  // Mark of a server . task -> weight: what slots (below) can't tell again.
  tasks: "map mark . ADDR : mark",
  // VIPs and ports without a task that takes connections.
  refused: "set ADDR",
  "refused-ports": "set inet_proto . inet_service",
  // VIPs and ports whose clients keep their address; nft can't look up protocol and original port in one set.
  kept: "set ADDR",
  "kept-tcp": "set inet_service",
  "kept-udp": "set inet_service",
  "kept-sctp": "set inet_service",
  // VIPs that were meant for direct routing.
  direct: "set ADDR",
  // VIPs that answer ping by redirection; VIPs on real interfaces, named in the comment.
  ping: "set ADDR",
  owned: "set ADDR",
  snats: "map ADDR : ADDR interval",
  redirects: "map ADDR . inet_proto . inet_service : ADDR . inet_service",
  // Ports published on the host; the comment names the bridge.
  host: "map inet_proto . inet_service : ADDR . inet_service",
};

const ONCE = {
  // Ends of comments that are too long for one: mark of the server . number of the piece.
  names: "set mark . mark",
  bridges: "set ifname",
};

export type Keyed = keyof typeof PER_FAMILY;
export type Family = 4 | 6;
/** Name of a map or set of the skeleton. */
export type Name = `${Keyed}${Family}` | keyof typeof ONCE | SlotMap;

/**
 * Maps from a server's slots to its tasks or, with affinity, to the tasks' chains. One map serves the servers of 256 marks; it is made
 * when the first of them needs it, and stays. Why 256: to make a map, the kernel looks through all maps of the table (for a free name),
 * and to make a rule that uses a map, through all elements of that map. So one map per server, and one map for all servers, would
 * both take time with the square of the number of servers.
 */
export type SlotMap = `slots${Family}-${number}` | `turns-${number}`;
export const isSlotMap = (name: string): name is SlotMap => /^(slots[46]|turns)-\d{1,5}$/.test(name);
export const slotMapText = (name: SlotMap): string => {
  const value = name.startsWith("turns") ? "verdict" : name.startsWith("slots6") ? "ip6 daddr" : "ip daddr";
  return `add map ${TABLE} ${name} { typeof numgen inc mod 2 : ${value}; }`;
};

/** "mark . ifname": how nft writes a type, by name of the map or set. */
export const CONTAINERS: ReadonlyMap<string, string> = new Map([
  ...Object.entries(PER_FAMILY).flatMap(([name, text]) => [
    [`${name}4`, text.replaceAll("ADDR", "ipv4_addr")] as const,
    [`${name}6`, text.replaceAll("ADDR", "ipv6_addr")] as const,
  ]),
  ...Object.entries(ONCE),
]);

/** Protocols by number: nft knows their names from /etc/protocols only, which small systems do without. */
export const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 };

const TRANSPORT = "meta l4proto { 6, 17, 132 }";
const PORT = "meta l4proto . th dport";
/** A step before iptables' and Docker's chains (-100, 100, 0): the first to translate a connection wins. */
const NAT = "-105";
/** Before connections are known, and anything is translated. */
const RAW = "-300";
const SOURCE_NAT = "95";
const FILTER = "-5";

/** Connection mark of those that come from the host's bridge and are led back to it, as ipvs has it; the other bits are others'. */
const HAIRPIN = { mark: "0xe1100000", bits: "0xfff00000", others: "0x000fffff" };

const REFUSE = ["meta l4proto 6 reject with tcp reset", "reject with icmpx port-unreachable"];
const refused = (match: string) => REFUSE.map((how) => `${TRANSPORT} ${match} ${how}`);
const refusedVips = [...refused("ip daddr @refused4"), ...refused("ip6 daddr @refused6")];

const keptPorts = (family: Family) =>
  Object.entries(PROTOCOLS).map(
    ([name, number]) =>
      `meta nfproto ipv${family} meta l4proto ${number} ct original proto-dst @kept-${name}${family} return`,
  );

interface Base {
  readonly hook: string;
  readonly rules: readonly string[];
}

/** Base chains by name. */
export const BASES: Readonly<Record<string, Base>> = {
  // Published ports need route_localnet of these bridges, which would let their other members reach what listens on 127.0.0.1.
  guarding: {
    hook: `type filter hook prerouting priority ${RAW};`,
    rules: ["ip daddr 127.0.0.0/8 iifname @bridges drop", "ip saddr 127.0.0.0/8 iifname @bridges drop"],
  },
  leaving: {
    hook: `type nat hook output priority ${NAT};`,
    rules: [
      `${TRANSPORT} ip daddr vmap @local4`,
      `${TRANSPORT} ip6 daddr vmap @local6`,
      "icmp type echo-request ip daddr @ping4 redirect",
      "icmpv6 type echo-request ip6 daddr @ping6 redirect",
      `fib daddr type local dnat ip to ${PORT} map @host4`,
      // Nothing comes back to ::1 from elsewhere, the kernel has no route_localnet for it: better refused than lost.
      `fib daddr type local ip6 daddr != ::1 dnat ip6 to ${PORT} map @host6`,
    ],
  },
  entering: {
    hook: `type nat hook prerouting priority ${NAT};`,
    rules: [
      `${TRANSPORT} ip daddr vmap @arriving4`,
      `${TRANSPORT} ip6 daddr vmap @arriving6`,
      `meta nfproto ipv4 fib daddr type local ${PORT} vmap @ports4`,
      `meta nfproto ipv6 fib daddr type local ${PORT} vmap @ports6`,
      `dnat ip to ip daddr . ${PORT} map @redirects4`,
      `dnat ip6 to ip6 daddr . ${PORT} map @redirects6`,
      // For postrouting, which does not see by which bridge a packet came where bridges call these hooks (bridge-nf-call-iptables).
      `iifname @bridges fib daddr type local ct mark set ct mark & ${HAIRPIN.others} | ${HAIRPIN.mark}`,
      `fib daddr type local dnat ip to ${PORT} map @host4`,
      `fib daddr type local dnat ip6 to ${PORT} map @host6`,
    ],
  },
  passed: {
    hook: `type nat hook postrouting priority ${SOURCE_NAT};`,
    rules: [
      "ct original ip daddr @kept4 return",
      "ct original ip6 daddr @kept6 return",
      ...keptPorts(4),
      ...keptPorts(6),
      "ct status dnat ct original ip daddr @direct4 masquerade",
      "ct status dnat ct original ip6 daddr @direct6 masquerade",
      "ct status dnat snat ip to ip daddr map @snats4",
      "ct status dnat snat ip6 to ip6 daddr map @snats6",
      // Ports published on the host: its own connections, loopback ones too, and those of the bridge's other members.
      "ct status dnat oifname @bridges fib saddr type local masquerade",
      `ct status dnat oifname @bridges ct mark & ${HAIRPIN.bits} == ${HAIRPIN.mark} masquerade`,
    ],
  },
  "refuse-leaving": { hook: `type filter hook output priority ${FILTER};`, rules: refusedVips },
  "refuse-entering": {
    hook: `type filter hook input priority ${FILTER};`,
    rules: [
      // What goes on while its server takes nothing new, and replies to a port that happens to be published.
      "ct status dnat return",
      "ct direction reply return",
      ...refusedVips,
      ...refused(`meta nfproto ipv4 ${PORT} @refused-ports4`),
      ...refused(`meta nfproto ipv6 ${PORT} @refused-ports6`),
    ],
  },
  "refuse-passing": { hook: `type filter hook forward priority ${FILTER};`, rules: refusedVips },
};

/** Text that makes the skeleton where it is missing or damaged, and leaves the elements alone. */
export function skeletonText(): string {
  const lines = [`add table ${TABLE}`];
  for (const [name, text] of CONTAINERS) lines.push(containerText(name, text));
  for (const [name, { hook, rules }] of Object.entries(BASES)) {
    lines.push(`add chain ${TABLE} ${name} { ${hook} policy accept; }`, `flush chain ${TABLE} ${name}`);
    for (const rule of rules) lines.push(`add rule ${TABLE} ${name} ${rule} comment "${fingerprint(rule)}"`);
  }
  return `${lines.join("\n")}\n`;
}

function containerText(name: string, text: string): string {
  const [kind, ...words] = text.replace(" interval", "").split(" ");
  return `add ${kind} ${TABLE} ${name} { type ${words.join(" ")};${text.endsWith(" interval") ? " flags interval;" : ""} }`;
}
