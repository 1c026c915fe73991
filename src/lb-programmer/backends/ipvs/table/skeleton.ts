/**
 * Packets to a VIP or a published port get the mark of their server, IPVS balances what has a mark, and what it has balanced gets a source
 * that replies come back to. IPVS comes after the marks (-150) where packets leave, at -98, and where they come in, at 99.
 *
 *   output:       VIP -> mark; TCP that begins and is not served is reset; then IPVS; what still goes to a VIP, IPVS does not know: refused
 *   prerouting:   published port -> mark
 *   input:        VIP -> mark; what is not served is refused; then IPVS
 *   postrouting:  a mark -> source
 *
 * IPVS refuses by ICMP where it has no destination. TCP drops an ICMP error that comes while connect(2) is at work, which is always so on
 * one machine with IPv6 (seen: refused after the second SYN, 1 s later); a reset it keeps. What IPVS took before goes on, marked or not.
 */
import type { Statement } from "../../../../os/nftables/statement.ts";
import type { Family } from "../../inet-table/sets.ts";
import { Skeleton } from "../../inet-table/skeleton.ts";
import {
  both,
  filter,
  GUARDING,
  IP,
  inFamily,
  LOCAL,
  MASQUERADED,
  NATS,
  PINGED,
  PORT,
  PUBLISHED,
  PUBLISHED_HERE,
  RESET,
  type Rule,
  refused,
  TRANSPORT,
  UNREACHABLE,
} from "../../inet-table/words.ts";

/** After connections are known (-200). */
const MANGLE = -150;

const OPENS: Statement = { kind: "opens" };
const NEW: Statement = { kind: "match", what: "ct state", is: "new" };

const markVip = (f: Family, map: string): Rule => [
  TRANSPORT,
  { kind: "set meta mark", key: [`${IP[f]} daddr`], map: `${map}${f}` },
];
const markVipPort = (f: Family, map: string): Rule => [
  { kind: "set meta mark", key: [`${IP[f]} daddr`, ...PORT], map: `${map}${f}` },
];
const markPort = (f: Family, map: string): Rule => [
  inFamily(f),
  LOCAL,
  { kind: "set meta mark", key: PORT, map: `${map}${f}` },
];
const hasMark = (set: string, f: Family): Statement => ({ kind: "in set", key: ["meta mark"], set: `${set}${f}` });

export const SKELETON = new Skeleton({
  guarding: GUARDING,
  "marking-leaving": {
    base: filter("output", MANGLE),
    rules: [
      ...both((f) => [markVip(f, "marked-local"), markVipPort(f, "marked-local-ports")]),
      ...both((f) => ["idle", "undeclared"].map((set) => [hasMark(set, f), OPENS, RESET])),
    ],
  },
  "marking-published": {
    base: filter("prerouting", MANGLE),
    rules: both((f) => ["marked-ports", "marked-port-ranges"].map((map) => markPort(f, map))),
  },
  "marking-arriving": {
    base: filter("input", MANGLE),
    rules: [
      ...both((f) => [
        markVip(f, "marked-arriving"),
        markVipPort(f, "marked-arriving-ports"),
        // They share their VIP with the service's other ports.
        markVipPort(f, "marked-kept-ports"),
      ]),
      ...both((f) => [
        ...["idle", "undeclared"].map((set) => [hasMark(set, f), OPENS, RESET]),
        [hasMark("undeclared", f), NEW, UNREACHABLE],
      ]),
    ],
  },
  leaving: { base: NATS.output, rules: [...PINGED, ...PUBLISHED_HERE] },
  entering: { base: NATS.prerouting, rules: PUBLISHED },
  passed: {
    base: NATS.source,
    rules: [
      ...both((f) => [
        [
          hasMark("masqueraded", f),
          { kind: "nat", type: "snat", family: IP[f], to: { key: [`${IP[f]} daddr`], map: `snats${f}` } },
        ],
      ]),
      ...MASQUERADED,
    ],
  },
  // Of a task that is gone, say: it would leave for the VIP and hang.
  "refuse-leaving": {
    base: filter("output"),
    rules: both((f) => refused([{ kind: "in set", key: [`${IP[f]} daddr`], set: `vips${f}` }])),
  },
});
