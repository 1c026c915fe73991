/** Small programs for node in a container: upstreams that attack whoever asks them, and clients that count what they are told. */
import { query } from "../support/packets.ts";

const NODE = `'${process.execPath}'`;

/** As an attacker's shell command. Ports below 1024 are everyone's, as in any container of Docker's. */
export const program = (code: string): string =>
  `echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start; exec ${NODE} -e '${code.replace(/'/g, `'\\''`)}'`;

export interface Asking {
  /** "%" is the number of the question. */
  readonly name: string;
  readonly count: number;
  /** Questions a second. */
  readonly rate: number;
  /** EDNS options that differ from question to question. */
  readonly options?: boolean;
  /** So many names; then the first again. */
  readonly names?: number;
  /** Who is asked. Default: 127.0.0.11, port 53. */
  readonly address?: string;
  readonly port?: number;
  /** The address to ask from. */
  readonly from?: string;
}

/**
 * Asks over UDP, open-loop. One that never ends prints "up" when a second's questions are out; any other how many said what, and the
 * slowest in ms, as JSON.
 */
export const asking = ({ name, count, rate, options = false, names = count, ...where }: Asking): string => `
const wire = (name) => Buffer.concat([...name.split(".").map((l) => Buffer.from([l.length, ...Buffer.from(l)])), Buffer.from([0, 0, 1, 0, 1])]);
const header = Buffer.from("000001000001000000000000", "hex");
const make = (i) => {
  const head = Buffer.from(header);
  head.writeUInt16BE(i & 0xffff, 0);
  if (!${options}) return Buffer.concat([head, wire("${name}".replace("%", i % ${names}))]);
  head[11] = 1;
  const tail = Buffer.from("00002904d0000000000008fde9000400000000", "hex");
  tail.writeUInt16BE(i & 0xffff, 17);
  return Buffer.concat([head, wire("${name}".replace("%", i % ${names})), tail]);
};
const socket = require("dgram").createSocket({ type: "udp4", recvBufferSize: 1 << 21 });
const sentAt = new Map();
const said = {};
let slowest = 0;
const end = () => { console.log(JSON.stringify({ ...said, slowest: Math.round(slowest) })); process.exit(); };
socket.on("error", () => {});
socket.on("message", (m) => {
  const id = m.readUInt16BE(0);
  if (!sentAt.has(id)) return;
  slowest = Math.max(slowest, performance.now() - sentAt.get(id));
  sentAt.delete(id);
  const rcode = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"][m[3] & 15];
  said[rcode] = (said[rcode] ?? 0) + 1;
  if (sent === ${count} && sentAt.size === 0) end();
});
let sent = 0;
let up = false;
socket.bind(0, ${JSON.stringify(where.from)}, () => socket.connect(${where.port ?? 53}, "${where.address ?? "127.0.0.11"}", () => {
  const began = performance.now();
  const timer = setInterval(() => {
    for (let n = 0; n < 100 && sent < ${count} && sent < (performance.now() - began) * ${rate} / 1000; n++, sent++) {
      sentAt.set(sent & 0xffff, performance.now());
      socket.send(make(sent));
    }
    if (sent === ${count}) { clearInterval(timer); setTimeout(end, 6_000); }
    if (${count} === Infinity && sent >= ${rate} && !up) { up = true; console.log("up"); }
  }, 1);
}));
`;

/** The same question under every id, twice: whoever has it in flight has one of them. Prints "up" when all are out. */
export const guessing = (question: string): string =>
  program(`
const one = Buffer.from("${query(question).toString("hex")}", "hex");
const socket = require("dgram").createSocket("udp4");
socket.on("error", () => {});
socket.connect(53, "127.0.0.11", () => {
  let id = 0;
  const go = () => {
    for (let n = 0; n < 64; n++, id++) { one.writeUInt16BE(id & 0xffff, 0); socket.send(Buffer.from(one)); }
    if (id < 0x20000) setImmediate(go); else { console.log("up"); setInterval(() => {}, 1000); }
  };
  go();
});
`);

/** A server that says TC to everything, and over TCP does what `each` says with its `socket`; prints its port. */
export const truncating = (each: string, address = "127.0.0.1", port = 53): string => `
const udp = require("dgram").createSocket("udp4");
udp.on("message", (q, p) => { q[2] = 0x83; q[3] = 0x80; q[11] = 0; udp.send(q.subarray(0, q.indexOf(0, 12) + 5), p.port, p.address); });
const tcp = require("net").createServer((socket) => { socket.on("error", () => {}); socket.resume(); ${each} });
tcp.listen(${port}, "${address}", () => udp.bind(tcp.address().port, "${address}", () => console.log(tcp.address().port)));
`;

const stream = (chunk: string): string =>
  `const chunk = ${chunk}; const go = () => { while (socket.writable && socket.write(chunk)); }; socket.on("drain", go); go();`;

/** Frames without octets, without end. */
export const ZEROS = stream("Buffer.alloc(65536)");
/** Replies that nobody asked for. */
export const UNSOLICITED = stream(
  "Buffer.concat(Array(1000).fill(Buffer.from('000c1234818000000000000000000000'.slice(0, 28), 'hex')))",
);
/** Messages as long as they may be. */
export const LONG = stream("Buffer.alloc(65536, 0xff)");
/** One octet now and then, of a message that never ends. */
export const DRIPPING =
  "socket.write(Buffer.from([0xff, 0xff])); setInterval(() => socket.write(Buffer.alloc(1)), 20);";
/** Closes as soon as it is asked. */
export const CLOSING = "socket.once('data', () => socket.destroy());";
