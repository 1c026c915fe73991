/**
 *   raw prerouting:     what only loopback may carry is dropped elsewhere
 *   output, prerouting: VIP or published port -> verdict map -> chain of the server -> dnat to a task
 *   postrouting:        what was led elsewhere gets a source that replies come back to
 *   filter:             what should have been led somewhere and was not, is refused
 *   filter, at the end: packets and octets of what was led, each once, for the counter of its server
 */
import type { Family } from "../inet-table/sets.ts";
import { Skeleton } from "../inet-table/skeleton.ts";
import {
  BACK,
  both,
  filter,
  GUARDING,
  IP,
  inFamily,
  isProtocol,
  LOCAL,
  MASQUERADE,
  MASQUERADED,
  NATS,
  PINGED,
  PORT,
  PROTOCOLS,
  PUBLISHED,
  PUBLISHED_HERE,
  type Rule,
  refused,
  TRANSLATED,
  TRANSPORT,
} from "../inet-table/words.ts";

const led = (f: Family, map: string): Rule => [TRANSPORT, { kind: "vmap", key: [`${IP[f]} daddr`], map: `${map}${f}` }];
const ledByPort = (f: Family, map: string): Rule => [
  { kind: "vmap", key: [`${IP[f]} daddr`, ...PORT], map: `${map}${f}` },
];
const refusedVips = (whose: "local" | "arriving"): readonly Rule[] =>
  both((f) => refused([{ kind: "in set", key: [`${IP[f]} daddr`], set: `refused-${whose}${f}` }]));

/** After others' filters: what they drop was not carried. */
const COUNTING = 200;

function keptPort(f: Family, protocol: string): Rule {
  const kept = `kept-${protocol}${f}`;
  return [inFamily(f), isProtocol(protocol), { kind: "in set", key: ["ct original proto-dst"], set: kept }, BACK];
}

/** Not of pings, which a VIP answers by redirection. */
function countedVips(whose: "local" | "arriving", direction?: "original" | "reply"): readonly Rule[] {
  return both((f) => [
    [
      TRANSLATED,
      ...(direction ? [{ kind: "match", what: "ct direction", is: direction } as const] : []),
      { kind: "match", what: "meta l4proto", is: f === 4 ? "icmp" : "icmpv6", not: true },
      { kind: "count", counter: { key: [`ct original ${IP[f]} daddr`], map: `bytes-${whose}${f}` } },
      BACK,
    ],
  ]);
}

function countedPort(f: Family, protocol: (typeof PROTOCOLS)[number]): Rule {
  const counter = { key: ["ct original proto-dst"], map: `bytes-${protocol}${f}` } as const;
  return [TRANSLATED, inFamily(f), isProtocol(protocol), { kind: "count", counter }, BACK];
}

export const SKELETON = new Skeleton({
  guarding: GUARDING,
  leaving: {
    base: NATS.output,
    rules: [...both((f) => [led(f, "local"), ledByPort(f, "local-ports")]), ...PINGED, ...PUBLISHED_HERE],
  },
  entering: {
    base: NATS.prerouting,
    rules: [
      ...both((f) => [led(f, "arriving"), ledByPort(f, "arriving-ports")]),
      ...both((f) =>
        ["ports", "port-ranges"].map((map) => [inFamily(f), LOCAL, { kind: "vmap", key: PORT, map: `${map}${f}` }]),
      ),
      ...PUBLISHED,
    ],
  },
  passed: {
    base: NATS.source,
    rules: [
      ...both((f) => [[{ kind: "in set", key: [`ct original ${IP[f]} daddr`], set: `kept${f}` }, BACK]]),
      ...both((f) => PROTOCOLS.map((name) => keptPort(f, name))),
      ...both((f) => [
        [TRANSLATED, { kind: "in set", key: [`ct original ${IP[f]} daddr`], set: `direct${f}` }, MASQUERADE],
      ]),
      ...both((f) => [
        [TRANSLATED, { kind: "nat", type: "snat", family: IP[f], to: { key: [`${IP[f]} daddr`], map: `snats${f}` } }],
      ]),
      ...MASQUERADED,
    ],
  },
  "refuse-leaving": { base: filter("output"), rules: [...refusedVips("local"), ...refusedVips("arriving")] },
  "refuse-entering": {
    base: filter("input"),
    rules: [
      // What goes on while its server takes nothing new, and replies to a port that happens to be published.
      [TRANSLATED, BACK],
      [{ kind: "match", what: "ct direction", is: "reply" }, BACK],
      ...refusedVips("arriving"),
      ...both((f) =>
        ["refused-ports", "refused-ranges"].flatMap((set) =>
          refused([inFamily(f), { kind: "in set", key: PORT, set: `${set}${f}` }]),
        ),
      ),
    ],
  },
  "refuse-passing": { base: filter("forward"), rules: refusedVips("arriving") },
  // A task that connects to its own service sees each packet leave and enter: there it counts where it has left.
  "count-leaving": { base: filter("output", COUNTING), rules: countedVips("local", "original") },
  "count-entering": { base: filter("input", COUNTING), rules: countedVips("local", "reply") },
  "count-passing": {
    base: filter("forward", COUNTING),
    rules: [...countedVips("arriving"), ...both((f) => PROTOCOLS.map((name) => countedPort(f, name)))],
  },
});
