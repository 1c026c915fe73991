/**
 * What testers of DNS servers ask (RFC 8906 section 8, RFC 6891): strange headers, strange OPTs, and malformed questions that
 * have one. Nothing is silent, nothing is copied that is not known, and who sends an OPT gets one.
 */
import { expect, test } from "vitest";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { createServing, MAX_UDP_LOOPBACK, serve } from "../../src/server/serve.ts";
import { query, told } from "../support/packets.ts";
import { hex } from "../support/text.ts";
import { changes, stateOf } from "../support/world.ts";

const tables = new Tables();
tables.apply(
  new Compiler().compile(
    stateOf(changes("network n overlay 10.0.1.0/24\n container web on n ip=10.0.1.9\n sandbox web")),
    "all",
  ),
);

/** "NOERROR qr aa rd ra | web A | 1 answer | version=0 size=1232" */
function say(packet: Buffer, compat: "none" | "docker" = "none"): string {
  const serving = createServing({ compat, negativeTtl: 5, identity: { version: "v", id: "i" } });
  const out = Buffer.alloc(4096, 0xee);
  const length = serve(serving, packet, packet.length, MAX_UDP_LOOPBACK, tables.scope("web"), out);
  if (length <= 0) return length === 0 ? "silent" : "forward";
  expect(out.readUInt16BE(0)).toBe(packet.readUInt16BE(0));
  expect(out[3]! & 0x40, "the reserved header bit stays 0").toBe(0);
  const { rcode, flags, question, answers, edns } = told(out.subarray(0, length));
  return [`${rcode} ${flags}`, question, `${answers.length} answers`, edns ?? "no OPT"].join(" | ");
}

const OK = "NOERROR qr aa rd ra | web A | 1 answers | ";
const OPT = "version=0 size=1232";
const PLAIN = "no OPT";
/** The packet with other flags: of the word at offset 2, or of the OPT at the end. */
const flagged = (packet: Buffer, mask: number, at = 2): Buffer => {
  packet.writeUInt16BE(packet.readUInt16BE(at) | mask, at);
  return packet;
};
const OPT_RECORD = "00 0029 04d0 00 00 0000 0000";
const WEB = "03 776562 00 0001 0001";
const NSID = hex("0003 0000");
const COOKIE = hex("000a 0008 0102030405060708");
const SUBNET = hex("0008 0007 0001 18 00 c00002");
const UNKNOWN = hex("fde9 0003 616263");

test.each<[string, Buffer, string]>([
  ["8.1: plain", query("web A"), OK + PLAIN],
  ["8.1.1: unknown type", query("web TYPE1000"), "NOERROR qr aa rd ra | web TYPE1000 | 0 answers | no OPT"],
  ["8.1.3.1: CD", query("web A", { cd: true }), `NOERROR qr aa rd ra cd | web A | 1 answers | ${PLAIN}`],
  ["8.1.3.2: AD", query("web A", { ad: true }), OK + PLAIN],
  ["8.1.3.3: the reserved bit", flagged(query("web A"), 0x40), OK + PLAIN],
  ["8.1.3.4: RD off", query("web A", { rd: false }), `NOERROR qr aa ra | web A | 1 answers | ${PLAIN}`],
  ["AA, TC and RA in a query", flagged(query("web A"), 0x0680), OK + PLAIN],
  ["an rcode in a query", flagged(query("web A"), 5), OK + PLAIN],
  ["8.1.4: unknown opcode", query("web A", { opcode: 15 }), "NOTIMP qr rd ra |  | 0 answers | no OPT"],
  ["unknown opcode, EDNS", query("web A", { opcode: 15, edns: 512 }), `NOTIMP qr rd ra |  | 0 answers | ${OPT}`],
  [
    "unknown opcode, EDNS version 1",
    query("web A", { opcode: 15, edns: 512, version: 1 }),
    `NOTIMP qr rd ra |  | 0 answers | ${OPT}`,
  ],
  [
    "unknown opcode, no question, EDNS",
    hex(`1234 7900 0000 0000 0000 0001 ${OPT_RECORD}`),
    `NOTIMP qr rd ra |  | 0 answers | ${OPT}`,
  ],
  [
    "unknown opcode, two questions, EDNS",
    hex(`1234 7900 0002 0000 0000 0001 ${WEB}${WEB}${OPT_RECORD}`),
    `NOTIMP qr rd ra |  | 0 answers | ${OPT}`,
  ],
  ["8.2.1: EDNS", query("web A", { edns: 4096 }), OK + OPT],
  ["EDNS size 0", query("web A", { edns: 0 }), OK + OPT],
  [
    "8.2.2: EDNS version 1",
    query("web A", { edns: 4096, version: 1 }),
    `BADVERS qr rd ra | web A | 0 answers | ${OPT}`,
  ],
  ["EDNS version 255", query("web A", { edns: 4096, version: 255 }), `BADVERS qr rd ra | web A | 0 answers | ${OPT}`],
  ["8.2.3: unknown option", query("web A", { edns: 4096, options: UNKNOWN }), OK + OPT],
  ["8.2.4: unknown EDNS flags", flagged(query("web A", { edns: 4096 }), 0x7fff, 28), OK + OPT],
  [
    "8.2.5: version 1, unknown flags",
    flagged(query("web A", { edns: 4096, version: 1 }), 0x7fff, 28),
    `BADVERS qr rd ra | web A | 0 answers | ${OPT}`,
  ],
  [
    "8.2.6: version 1, unknown option",
    query("web A", { edns: 4096, version: 1, options: UNKNOWN }),
    `BADVERS qr rd ra | web A | 0 answers | ${OPT}`,
  ],
  ["8.2.8: DO", query("web A", { edns: 4096, do: true }), `${OK + OPT} do`],
  [
    "8.2.9: version 1, DO",
    query("web A", { edns: 4096, version: 1, do: true }),
    `BADVERS qr rd ra | web A | 0 answers | ${OPT} do`,
  ],
  [
    "8.2.10: four options at once",
    query("web A", { edns: 4096, options: Buffer.concat([NSID, COOKIE, SUBNET, UNKNOWN]) }),
    OK + OPT,
  ],
  ["an extended rcode in a query's OPT", flagged(query("web A", { edns: 4096 }), 0xff00, 26), OK + OPT],
  ["no question", hex("1234 0100 0000 0000 0000 0000"), "FORMERR qr rd ra |  | 0 answers | no OPT"],
  ["no question, EDNS", hex(`1234 0100 0000 0000 0000 0001 ${OPT_RECORD}`), `FORMERR qr rd ra |  | 0 answers | ${OPT}`],
  [
    "no question, EDNS with DO",
    hex("1234 0100 0000 0000 0000 0001 00 0029 04d0 00 00 8000 0000"),
    `FORMERR qr rd ra |  | 0 answers | ${OPT} do`,
  ],
  [
    "no question, a cookie (RFC 7873 5.4, which we don't speak)",
    hex(`1234 0100 0000 0000 0000 0001 00 0029 04d0 00 00 0000 000c ${COOKIE.toString("hex")}`),
    `FORMERR qr rd ra |  | 0 answers | ${OPT}`,
  ],
  [
    "two questions, EDNS",
    hex(`1234 0100 0002 0000 0000 0001 ${WEB}${WEB}${OPT_RECORD}`),
    `FORMERR qr rd ra |  | 0 answers | ${OPT}`,
  ],
  [
    "three additional records, EDNS behind two of them",
    hex(`1234 0100 0001 0000 0000 0003 ${WEB}${"c00c 0001 0001 00000005 0004 01020304".repeat(2)}${OPT_RECORD}`),
    `FORMERR qr rd ra |  | 0 answers | ${OPT}`,
  ],
  [
    "two OPTs",
    hex(`1234 0100 0001 0000 0000 0002 ${WEB}${OPT_RECORD}${OPT_RECORD}`),
    `FORMERR qr rd ra | web A | 0 answers | ${OPT}`,
  ],
  [
    "65 535 questions that are not there, EDNS",
    hex(`1234 0100 ffff 0000 0000 0001 ${OPT_RECORD}`),
    "FORMERR qr rd ra |  | 0 answers | no OPT",
  ],
  [
    "65 535 records that are not there",
    hex(`1234 0100 0000 ffff ffff ffff ${OPT_RECORD}`),
    "FORMERR qr rd ra |  | 0 answers | no OPT",
  ],
])("%s", (_, packet, expected) => expect(say(packet)).toBe(expected));

test("compat docker: no OPT in any of these", () => {
  expect(say(query("web A", { edns: 4096 }), "docker")).toMatch(/no OPT$/);
  expect(say(hex(`1234 0100 0000 0000 0000 0001 ${OPT_RECORD}`), "docker")).toMatch(/no OPT$/);
});
