/** Query packets written without the code under test, and answers as text through an independent decoder (dns2). */
import DNS2 from "dns2";

export const TYPES: Record<string, number> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
};
const CLASSES: Record<string, number> = { IN: 1, CH: 3, HS: 4, ANY: 255 };
export const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

export interface Ask {
  id?: number;
  cls?: string | number;
  rd?: boolean | number;
  cd?: boolean | number;
  ad?: boolean | number;
  opcode?: number;
  /** UDP size; present: an OPT is sent. */
  edns?: number;
  do?: boolean | number;
  version?: number;
  /** Raw EDNS options. */
  options?: Buffer;
}

/** `query("web A", { edns: 1232 })` */
export function query(question: string, ask: Ask = {}): Buffer {
  const [name = "", type = "A"] = question.split(" ");
  const header = Buffer.alloc(12);
  header.writeUInt16BE(ask.id ?? 0x1234, 0);
  const bit = (on: boolean | number | undefined, mask: number) => (on ? mask : 0);
  header.writeUInt16BE(
    ((ask.opcode ?? 0) << 11) | bit(ask.rd ?? true, 0x100) | bit(ask.ad, 0x20) | bit(ask.cd, 0x10),
    2,
  );
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(ask.edns === undefined ? 0 : 1, 10);
  const end = Buffer.alloc(4);
  end.writeUInt16BE(typeNumber(type), 0);
  end.writeUInt16BE(typeof ask.cls === "number" ? ask.cls : CLASSES[ask.cls ?? "IN"]!, 2);
  return Buffer.concat([header, wireName(name), end, ...(ask.edns === undefined ? [] : [opt(ask)])]);
}

export const typeNumber = (type: string): number => TYPES[type] ?? Number(type.replace("TYPE", ""));

/** Uncompressed wire form of a dotted name. */
export function wireName(name: string): Buffer {
  const labels = name
    .split(".")
    .filter((l) => l !== "")
    .map((l) => Buffer.from(l));
  return Buffer.concat([...labels.flatMap((l) => [Buffer.from([l.length]), l]), Buffer.from([0])]);
}

function opt(ask: Ask): Buffer {
  const options = ask.options ?? Buffer.alloc(0);
  const fixed = Buffer.from([0, 0, 41, 0, 0, 0, ask.version ?? 0, ask.do ? 0x80 : 0, 0, 0, 0]);
  fixed.writeUInt16BE(ask.edns!, 3);
  fixed.writeUInt16BE(options.length, 9);
  return Buffer.concat([fixed, options]);
}

/** An answer, decoded by dns2, as lines people can compare. */
export interface Told {
  id: number;
  rcode: string;
  /** Of qr aa tc rd ra ad cd, those set. */
  flags: string;
  question: string;
  /** "web 600 A 10.0.1.2", sorted. */
  answers: string[];
  /** As on the wire. */
  order: string[];
  authority: string[];
  additional: string[];
  /** "version=0 size=1232 do ede=15" or undefined. */
  edns: string | undefined;
}

export function told(packet: Uint8Array): Told {
  const buffer = Buffer.from(packet);
  const parsed = DNS2.Packet.parse(buffer) as unknown as Parsed;
  const h = parsed.header;
  const opt = parsed.additionals.find((r) => r.type === 41);
  const order = parsed.answers.map(line);
  return {
    id: h["id"]!,
    rcode: opt && rawOpt(buffer).extended ? "BADVERS" : (RCODES[h["rcode"]!] ?? String(h["rcode"])),
    flags: ["qr", "aa", "tc", "rd", "ra", "ad", "cd"].filter((f) => h[f] === 1).join(" "),
    question: parsed.questions.map((q) => `${q.name} ${typeName(q.type)}`).join(),
    answers: [...order].sort(),
    order,
    authority: parsed.authorities.map(line),
    additional: parsed.additionals.filter((r) => r.type !== 41).map(line),
    edns: opt ? rawOpt(buffer).text : undefined,
  };
}

interface Parsed {
  header: Record<string, number>;
  questions: { name: string; type: number }[];
  answers: Rec[];
  authorities: Rec[];
  additionals: Rec[];
}
interface Rec {
  name: string;
  type: number;
  ttl: number;
  address?: string;
  domain?: string;
  data?: string | string[] | Buffer;
  primary?: string;
  admin?: string;
  serial?: number;
  minimum?: number;
  priority?: number;
  exchange?: string;
  weight?: number;
  port?: number;
  target?: string;
}

export const typeName = (type: number): string => Object.keys(TYPES).find((t) => TYPES[t] === type) ?? `TYPE${type}`;

function line(r: Rec): string {
  return `${r.name === "" ? "." : r.name} ${r.ttl} ${typeName(r.type)} ${rdata(r)}`.trim();
}

function rdata(r: Rec): string {
  if (r.type === 1) return r.address!;
  if (r.type === 28) return compact(r.address!);
  if (r.type === 33) return `${r.priority} ${r.weight} ${r.port} ${r.target}`;
  if (r.type === 15) return `${r.priority} ${r.exchange}`;
  if (r.type === 6) return `${r.primary} ${r.admin} ${r.minimum}`;
  if (r.domain !== undefined) return r.domain;
  if (r.type === 16) return [r.data].flat().join(" ");
  return Buffer.isBuffer(r.data) ? r.data.toString("latin1").replace(/[^ -~]/g, "") : String(r.data ?? "");
}

/** dns2 writes IPv6 without "::". */
const compact = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);

/** The OPT record is ours to look at: dns2 keeps little of it. It is the last record of all our answers. */
function rawOpt(packet: Buffer): { text: string; extended: number } {
  let at = packet.length - 11;
  while (
    at > 12 &&
    !(packet.readUInt16BE(at + 1) === 41 && packet[at] === 0 && at + 11 + packet.readUInt16BE(at + 9) === packet.length)
  )
    at--;
  const bits = [`version=${packet[at + 6]}`, `size=${packet.readUInt16BE(at + 3)}`];
  if (packet[at + 7]! & 0x80) bits.push("do");
  if (packet.length > at + 11 && packet.readUInt16BE(at + 11) === 15) bits.push(`ede=${packet.readUInt16BE(at + 15)}`);
  return { text: bits.join(" "), extended: packet[at + 5]! };
}
