/** Small programs for node in a container: those that attack, and those that ask as anyone does. */
import { query } from "../support/packets.ts";

const framed = (packet: Buffer): Buffer =>
  Buffer.concat([Buffer.from([packet.length >> 8, packet.length & 255]), packet]);
const octets = (packet: Buffer): string => `Buffer.from("${packet.toString("hex")}", "hex")`;
const NODE = `'${process.execPath}'`;

/** As a shell command. */
const program = (code: string): string => `exec ${NODE} -e '${code.replace(/'/g, `'\\''`)}'`;

/** The question over TCP, `times` in one write; says how many answers came, and ends when they did or the connection is closed. */
export const pipeline = (question: string, times: number): string =>
  program(`
const one = ${octets(framed(query(question)))};
const socket = require("net").connect(53, "127.0.0.11");
let [got, answers] = [Buffer.alloc(0), 0];
const end = () => { console.log(answers); process.exit(); };
socket.on("data", (chunk) => {
  got = Buffer.concat([got, chunk]);
  for (; got.length >= 2 && got.length >= 2 + got.readUInt16BE(0); answers++) got = got.subarray(2 + got.readUInt16BE(0));
  if (answers >= ${times}) socket.end();
});
socket.on("close", end).on("error", end);
socket.write(Buffer.concat(Array(${times}).fill(one)));
`);

/** So many connections over TCP, each doing what `each` says with its `socket` once all are there; says "up" then. */
export const crowd = (connections: number, each: string, question = "one A"): string =>
  program(`
const one = ${octets(framed(query(question)))};
const sockets = new Set();
let all = false;
const attack = (socket) => { ${each} };
const start = () => {
  const socket = require("net").connect(53, "127.0.0.11");
  socket.on("error", () => {});
  socket.on("connect", () => {
    sockets.add(socket);
    if (all) return attack(socket);
    if (sockets.size < ${connections}) return;
    all = true;
    console.log("up");
    sockets.forEach(attack);
  });
  socket.on("close", () => { // another one for each that is closed
    sockets.delete(socket);
    setTimeout(start, 10);
  });
};
for (let i = 0; i < ${connections}; i++) start();
`);

/** What a connection of a crowd may do. */
export const IDLE = "";
export const SLOW = "setInterval(() => socket.write(Buffer.from([0])), 100);";
export const FLOODING =
  "socket.resume(); const go = () => { socket.write(Buffer.concat(Array(200).fill(one)), () => setImmediate(go)); }; go();";
export const DEAF =
  "socket.pause(); const go = () => { socket.write(Buffer.concat(Array(200).fill(one)), () => setImmediate(go)); }; go();";

/** Questions over UDP, as fast as it goes; says "up". */
export const flood = (question: string, edns?: number): string =>
  program(`
const one = ${octets(query(question, edns === undefined ? {} : { edns }))};
const socket = require("dgram").createSocket("udp4");
socket.connect(53, "127.0.0.11", () => {
  console.log("up");
  const go = () => { for (let i = 0; i < 200; i++) socket.send(one); setImmediate(go); };
  go();
});
socket.on("error", () => {});
`);

/** A question a millisecond over UDP (no more than 20 at once, where the machine does not keep up), so many `times`; says how many were answered. */
export const steady = (question: string, times: number): string =>
  program(`
const one = ${octets(query(question))};
const socket = require("dgram").createSocket("udp4");
const answered = new Set();
const end = () => { console.log(answered.size); process.exit(); };
socket.on("message", (m) => { answered.add(m.readUInt16BE(0)); if (answered.size === ${times}) end(); });
socket.connect(53, "127.0.0.11", () => {
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (let n = 0; n < 20 && sent < ${times} && sent < performance.now() - began; n++, sent++) {
      one.writeUInt16BE(sent, 0);
      socket.send(Buffer.from(one));
    }
    if (sent === ${times}) { clearInterval(timer); setTimeout(end, 5000); }
  }, 1);
});
`);

/** An upstream of its own, on 127.0.0.1:5353: NXDOMAIN to everything, with an SOA, so that it is kept. Says "up". */
export const UPSTREAM = program(`
const soa = Buffer.from("c00c000600010000038400160000" + "00000001" + "00000384".repeat(4), "hex");
const socket = require("dgram").createSocket("udp4").bind(5353, "127.0.0.1", () => console.log("up"));
socket.on("message", (q, { port, address }) => {
  const header = Buffer.from([q[0], q[1], 0x81, 0x83, 0, 1, 0, 0, 0, 1, 0, 0]);
  socket.send(Buffer.concat([header, q.subarray(12, q.indexOf(0, 12) + 5), soa]), port, address);
});
`);
