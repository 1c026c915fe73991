/** Parse, look up and write one answer: the CPU that our own code adds to the system calls. */
import { Scope } from "../src/scoping/scope.ts";
import { OWN_STYLE, writeAnswer, writeNegative } from "../src/wire/answer.ts";
import { parseQuery, Query } from "../src/wire/query.ts";
import { query } from "../test/support/packets.ts";
import { report, timed } from "./measure.ts";
import { addresses, zoneOf } from "./zone.ts";

export function run(): void {
  const scope = new Scope(
    [
      {
        zone: zoneOf([
          ["web", 1],
          ["tasks.web", 3],
          ["big", 60],
        ]),
        links: undefined,
      },
    ],
    { id: "s", upstreams: [], internal: false, ndots: false },
  );
  const q = new Query();
  const out = Buffer.alloc(4096);
  const soa = { minimum: 5, serial: 1 };

  const answer = (packet: Buffer) => () => {
    parseQuery(packet, packet.length, q);
    for (let i = 0; i < q.questionEnd; i++) out[i] = packet[i]!;
    const outcome = scope.lookup(q.key, q.type);
    if (outcome.count > 0) writeAnswer(q, out, 4096, OWN_STYLE, outcome);
    else writeNegative(q, out, OWN_STYLE, 0, soa);
  };
  const microseconds = (question: string) => timed(answer(query(question, { edns: 4096 })), 200_000) / 1000;

  report("codec: web A, 1 address, EDNS", microseconds("web A"), "us");
  report("codec: tasks.web A, 3 addresses, EDNS", microseconds("tasks.web A"), "us", 1.5);
  report("codec: tasks.web.mynet A, 3 addresses, EDNS", microseconds("tasks.web.mynet A"), "us", 1.5);
  report("codec: big A, 60 addresses, EDNS", microseconds("big A"), "us");
  report("codec: web MX, NODATA with SOA, EDNS", microseconds("web MX"), "us", 1.5);
  report(
    "codec: 1 500 addresses",
    timed(() => writeAnswer(q, big, 65_535, OWN_STYLE, addresses(1500)), 200) / 1000,
    "us",
    5000,
  );
}

const big = Buffer.alloc(65_535);
