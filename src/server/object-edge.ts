/** dns2 packets in, dns2 packets out: the only file that loads dns2, for people who put another server in front. */
import DNS2 from "dns2";
import { NOERROR, NXDOMAIN } from "../wire/constants.ts";

/** Answers one query packet for a sandbox; octets in, octets out. */
export type AnswerBytes = (query: Uint8Array) => Promise<Uint8Array>;

/**
 * A dns2 `Packet` for a dns2 `Packet`: give it to any dns2 server's handler. The reply has the query's id. It is what a TCP
 * client would get: never truncated.
 */
export async function answerPacket(packet: DNS2.Packet, answer: AnswerBytes): Promise<DNS2.Packet> {
  return parsePacket(await answer(packet.toBuffer()));
}

/** Throws an Error if that is no packet. */
export const parsePacket = (octets: Uint8Array): DNS2.Packet => DNS2.Packet.parse(Buffer.from(octets));

/** A query for one name and type, RD set. */
export function queryPacket(name: string, type: string): DNS2.Packet {
  const packet = new DNS2.Packet();
  packet.header.id = 1;
  packet.header.rd = 1;
  const { CLASS, Question } = DNS2.Packet;
  packet.questions.push(new Question(name, numberOf(type), CLASS.IN));
  return packet;
}

/** Types by name, those that dns2 knows; any other is "TYPE65" (RFC 3597). */
export const typeNumbers: Readonly<Record<string, number>> = DNS2.Packet.TYPE;

const numberOf = (type: string): number => typeNumbers[type] ?? Number(/^TYPE(\d+)$/.exec(type)?.[1]);

/** The answers in one line, or why there are none. */
export function packetText({ header, answers, authorities }: DNS2.Packet): string {
  if (answers.length > 0) return answers.map((a) => rdataText(a as unknown as Record<string, unknown>)).join("  ");
  if (header.rcode === NXDOMAIN) return "NXDOMAIN: no such name";
  if (header.rcode !== NOERROR) return `rcode ${header.rcode}`;
  return `no such record${authorities.length > 0 ? " (SOA says for how long)" : ""}`;
}

const rdataText = (r: Record<string, unknown>): string =>
  String(r["address"] ?? r["domain"] ?? (r["target"] ? `${r["target"]} port ${r["port"]}` : r["data"]));
