/** The two scripted upstreams of the captures, and one that swallows everything: what they say depends on the first label. */
import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server } from "node:net";
import type { Upstream } from "../../../src/model/types.ts";
import { wireName } from "../../support/packets.ts";

export interface Upstreams {
  /** Where an address of the capture is on this machine. */
  at(address: string): Upstream;
  /** Questions received since the last call. */
  taken(): number;
  close(): Promise<void>;
}

export async function startUpstreams(): Promise<Upstreams> {
  let count = 0;
  const servers = await Promise.all([
    start("A", "127.31.255.53", () => count++),
    start("B", "127.31.255.54", () => count++),
    start("nobody", "127.31.255.99", () => {}),
  ]);
  return {
    at(address) {
      const here = address.replace("172.", "127.");
      return { address: here, port: servers.find((s) => s.address === here)!.port };
    },
    taken() {
      const n = count;
      count = 0;
      return n;
    },
    close: async () => {
      await Promise.all(servers.map((s) => s.close()));
    },
  };
}

type Who = "A" | "B" | "nobody";

async function start(who: Who, address: string, seen: () => void) {
  const udp = createSocket("udp4");
  await new Promise<void>((done) => udp.bind(0, address, done));
  const { port } = udp.address();
  const tcp = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      seen();
      const [delay, reply] = replyTo(who, data.subarray(2), true) ?? [];
      if (reply !== undefined) setTimeout(() => socket.end(framed(reply)), delay);
    });
  });
  await new Promise<void>((done) => tcp.listen(port, address, done));
  udp.on("message", (query, peer) => {
    seen();
    const [delay, reply] = replyTo(who, query, false) ?? [];
    if (reply === undefined) return;
    if (delay === 0) udp.send(reply, peer.port, peer.address);
    else setTimeout(() => open(udp) && udp.send(reply, peer.port, peer.address), delay);
  });
  return { address, port, close: () => closeBoth(udp, tcp) };
}

const open = (socket: Socket): boolean => {
  try {
    return socket.address().port > 0;
  } catch {
    return false;
  }
};

const closeBoth = (udp: Socket, tcp: Server): Promise<void> =>
  new Promise((done) => udp.close(() => tcp.close(() => done())));

const framed = (reply: Buffer): Buffer => Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]);

/** Milliseconds and the reply; undefined: nothing, ever. */
function replyTo(who: Who, query: Buffer, tcp: boolean): [delay: number, reply: Buffer] | undefined {
  if (who === "nobody") return undefined;
  const { labels, end } = question(query);
  const [first = ""] = labels;
  const type = query.readUInt16BE(end - 4);
  const known = labels.slice(-2).join(".") === "up.example";
  const slow = /^slow(\d)$/.exec(first);
  if (first === "drop" || (first === "drop-a" && who === "A") || (first === "tcpdrop" && tcp)) return undefined;
  const delay = slow ? Number(slow[1]) * 1000 : 0;
  const make = (rcode: number, answers: Buffer[] = [], flags = 0): Buffer =>
    response(query, end, rcode, answers, flags);
  const edns = query.readUInt16BE(10) > 0 ? query.readUInt16BE(end + 3) : 512;
  const a = who === "A" ? "192.0.2.77" : "192.0.2.88";

  if (first === "77" && labels.at(-1) === "arpa") return [0, make(0, [record(12, wireName("host.up.example"))])];
  if (!known || first === "nx") return [delay, make(3)];
  if (first === "nxaa") return [0, make(3, [], 0x0400)];
  if (first === "nx-a") return [0, who === "A" ? make(3) : make(0, [address4(a)])];
  const failing = /^(servfail|refused|formerr|notimp)(-a)?$/.exec(first);
  if (failing && (failing[2] === undefined || who === "A"))
    return [0, make({ servfail: 2, refused: 5, formerr: 1, notimp: 4 }[failing[1]!]!)];
  if (first === "nodata") return [0, make(0)];
  if (first === "nodata-aa") return [0, make(0, [], 0x0400)];
  if (first === "big") {
    const all = Array.from({ length: 100 }, (_, i) => address4(`192.0.2.${i + 1}`, 120));
    return [0, tcp || edns >= 2048 ? make(0, all) : make(0, [], 0x0200)];
  }
  if (first === "cname")
    return [
      0,
      make(0, [record(5, wireName("target.up.example"), 60), owned("target.up.example", address4("192.0.2.77", 61))]),
    ];
  if (type === 15)
    return [0, make(0, [record(15, Buffer.concat([Buffer.from([0, 10]), wireName("mail.up.example")]), 30)])];
  if (type === 16) return [0, make(0, [record(16, Buffer.from("\x05hello", "latin1"), 30)])];
  if (type === 28 && first === "v6")
    return [0, make(0, [record(28, Buffer.from("20010db8000000000000000000000077", "hex"))])];
  if (type !== 1) return [delay, make(0)];
  return [delay, make(0, [address4(a)], first === "aa" ? 0x0400 : first === "ad" ? 0x0020 : 0)];
}

function question(query: Buffer): { labels: string[]; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (; query[at]! > 0; at += query[at]! + 1)
    labels.push(query.toString("latin1", at + 1, at + 1 + query[at]!).toLowerCase());
  return { labels, end: at + 5 };
}

/** Header and question of the query, answers, and an OPT if there was one. */
function response(query: Buffer, end: number, rcode: number, answers: Buffer[], flags: number): Buffer {
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8080 | (query.readUInt16BE(2) & 0x0100) | flags | rcode, 2);
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt16BE(0, 8);
  const edns = query.readUInt16BE(10) > 0;
  head.writeUInt16BE(edns ? 1 : 0, 10);
  return Buffer.concat([head, ...answers, ...(edns ? [Buffer.from("0000291000000000000000", "hex")] : [])]);
}

const address4 = (text: string, ttl = 300): Buffer => record(1, Buffer.from(text.split(".").map(Number)), ttl);

function record(type: number, rdata: Buffer, ttl = 300): Buffer {
  const fixed = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, ttl >> 8, ttl & 255, 0, rdata.length]);
  return Buffer.concat([fixed, rdata]);
}

/** The record with a name of its own instead of the pointer to the question. */
const owned = (name: string, rr: Buffer): Buffer => Buffer.concat([wireName(name), rr.subarray(2)]);
