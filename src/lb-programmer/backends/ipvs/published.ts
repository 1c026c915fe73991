/** The host's chains: ports published there are led to where they are served. Pure. */
import { type Chain, comment, host, jump, of, port } from "./chain.ts";

const LOCAL_DESTINATION = "-m addrtype --dst-type LOCAL";

/** Nothing comes back to ::1 from elsewhere, the kernel has no route_localnet for it: better refused than lost. */
const NOT_LOOPBACK = "! -d ::1/128 ";

/** Connection mark of those that come from the bridge and are led back to it; the other bits are others'. */
const HAIRPIN = "0xe1100000/0xfff00000";

export const INGRESS: Chain = {
  table: "nat",
  name: "ELEVEN-INGRESS",
  jumps: (family) => [
    `PREROUTING ${LOCAL_DESTINATION}`,
    `OUTPUT ${family === 6 ? NOT_LOOPBACK : ""}${LOCAL_DESTINATION}`,
  ],
  rules: ({ published }, family) => {
    const ours = published.filter((p) => of(family, p.to));
    const rules = ours.flatMap((p) => {
      const to = family === 4 ? p.to : `[${p.to}]`;
      const match = port(p.protocol, "dport", p.port);
      return [
        `-i ${p.bridge} ${match} -j CONNMARK --set-xmark ${HAIRPIN}`,
        `${match} ${comment(p.bridge)} -j DNAT --to-destination ${to}:${p.toPort}`,
      ];
    });
    return ours.length === 0 ? [] : [...rules, "-j RETURN"];
  },
};

/** What comes from the host itself, loopback too, and what would be answered past us: by a neighbour on the same bridge. */
export const MASQUERADE: Chain = {
  table: "nat",
  name: "ELEVEN-MASQUERADE",
  ...jump("POSTROUTING"),
  rules: ({ published }, family) =>
    bridgesOf(published.filter((p) => of(family, p.to))).flatMap((bridge) => [
      `-o ${bridge} -m addrtype --src-type LOCAL -j MASQUERADE`,
      `-o ${bridge} -m connmark --mark ${HAIRPIN} -j MASQUERADE`,
    ]),
};

export const PASS: Chain = {
  table: "filter",
  name: "ELEVEN-INGRESS",
  ...jump("FORWARD"),
  rules: ({ published }, family) => {
    const ways = new Set(published.filter((p) => of(family, p.to)).map((p) => `${p.protocol} ${p.toPort} ${p.to}`));
    const rules = [...ways].flatMap((way) => {
      const [protocol = "", toPort = "", to = ""] = way.split(" ");
      return [
        `-d ${host(to)} ${port(protocol, "dport", toPort)} -j ACCEPT`,
        `-s ${host(to)} ${port(protocol, "sport", toPort)} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      ];
    });
    return rules.length === 0 ? [] : [...rules, "-j RETURN"];
  },
};

export const bridgesOf = (published: readonly { readonly bridge: string }[]): string[] => [
  ...new Set(published.map(({ bridge }) => bridge)),
];

/** Lets local connections from 127.0.0.1 leave by the bridge; there is nothing like it for IPv6. */
export const routeLocalnet = (bridge: string): string => `net/ipv4/conf/${bridge}/route_localnet`;
