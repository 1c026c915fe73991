/** The host's chains: ports published there are led to where they are served. Pure. */
import { familyOf } from "../../../../model/address.ts";
import { numbersText } from "../../../port-ranges.ts";
import type { PublishedPort } from "../../../state.ts";
import { bridgesOf } from "../../common/localnet.ts";
import { type Chain, comment, dport, HAIRPIN, host, jump, port } from "./chain.ts";

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
      : bridgesOf(published).flatMap((bridge) => [
          `-d 127.0.0.0/8 -i ${bridge} -j DROP`,
          `-s 127.0.0.0/8 -i ${bridge} -j DROP`,
        ]),
};

/**
 * New connections from elsewhere than a port's sources are dropped, as Kubernetes does it: who may not come need not know that
 * something is there, and an answer might go to an address that never asked. Connections that are there go on.
 */
export const SOURCES: Chain = {
  table: "mangle",
  name: "ELEVEN-SOURCES",
  ...jump(`PREROUTING ! -i lo ${LOCAL_DESTINATION} -m conntrack --ctstate NEW`),
  rules: ({ published }) =>
    published.flatMap((p) => {
      if (p.sources === undefined) return [];
      return [...p.sources.map((range) => `-s ${range} ${dport(p)} -j RETURN`), `${dport(p)} -j DROP`];
    }),
};

export const INGRESS: Chain = {
  table: "nat",
  name: "ELEVEN-INGRESS",
  jumps: (family) => [
    `PREROUTING ${LOCAL_DESTINATION}`,
    `OUTPUT ${family === 6 ? NOT_LOOPBACK : ""}${LOCAL_DESTINATION}`,
  ],
  rules: ({ published }) => {
    const rules = published.flatMap((p) => {
      const match = dport(p);
      return [
        `-i ${p.bridge} ${match} -j CONNMARK --set-xmark ${HAIRPIN}`,
        `${match} ${comment(p.bridge)} -j DNAT --to-destination ${placeText(p)}`,
      ];
    });
    return rules.length === 0 ? [] : [...rules, "-j RETURN"];
  },
};

/** What comes from the host itself, loopback too, and what would be answered past us: by a neighbour on the same bridge. */
export const MASQUERADE: Chain = {
  table: "nat",
  name: "ELEVEN-MASQUERADE",
  ...jump("POSTROUTING"),
  rules: ({ published }) =>
    bridgesOf(published).flatMap((bridge) => [
      `-o ${bridge} -m addrtype --src-type LOCAL -j MASQUERADE`,
      `-o ${bridge} -m connmark --mark ${HAIRPIN} -j MASQUERADE`,
    ]),
};

/** "tcp 80 10.0.0.2", "tcp 8000:8010 10.0.0.2". */
const wayOf = (p: PublishedPort): string =>
  `${p.protocol} ${p.last === undefined ? p.toPort : numbersText(p, ":")} ${p.to}`;

/** A range keeps its numbers, so no port is said. */
function placeText({ to, toPort, last }: PublishedPort): string {
  if (last !== undefined) return to;
  return familyOf(to) === 6 ? `[${to}]:${toPort}` : `${to}:${toPort}`;
}

export const PASS: Chain = {
  table: "filter",
  name: "ELEVEN-INGRESS",
  ...jump("FORWARD"),
  rules: ({ published }) => {
    const ways = new Set(published.map(wayOf));
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
