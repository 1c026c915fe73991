/** The host's chains: ports published there are led to where they are served. Pure. */
import { bridgesOf } from "../common/localnet.ts";
import { type Chain, comment, HAIRPIN, host, jump, of, port } from "./chain.ts";

const LOCAL_DESTINATION = "-m addrtype --dst-type LOCAL";

/** Nothing comes back to ::1 from elsewhere, the kernel has no route_localnet for it: better refused than lost. */
const NOT_LOOPBACK = "! -d ::1/128 ";

/**
 * The bridges have route_localnet for the host's own connections from 127.0.0.1. Their other members must not reach by it what
 * listens there: before anything is translated, what is for 127.0.0.0/8, or says that it comes from there, is dropped.
 */
export const GUARD: Chain = {
  table: "mangle",
  name: "ELEVEN-GUARD",
  ...jump("PREROUTING"),
  rules: ({ published }, family) =>
    family === 6
      ? []
      : bridgesOf(published.filter((p) => of(4, p.to))).flatMap((bridge) => [
          `-d 127.0.0.0/8 -i ${bridge} -j DROP`,
          `-s 127.0.0.0/8 -i ${bridge} -j DROP`,
        ]),
};

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
