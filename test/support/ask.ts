/** Asks a server over real sockets. What it says, or "silent" if it answers a second question but not the first. */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { query } from "./packets.ts";

export interface At {
  readonly address: string;
  readonly port: number;
}

/** Id of the question asked afterwards: once it is answered, whatever was asked before has been dropped. */
const SENTINEL = 0xfeed;
const sentinel = query("localhost A", { id: SENTINEL });

/**
 * The reply to `packet`. With `maybeSilent` a local question is asked behind it, and undefined means that only that one was
 * answered; not for questions that are forwarded, whose answers come later.
 */
export function askUdp({ address, port }: At, packet: Buffer, maybeSilent = false): Promise<Buffer | undefined> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (reply) => {
      socket.close();
      resolve(reply.readUInt16BE(0) === SENTINEL ? undefined : reply);
    });
    socket.send(packet, port, address);
    if (maybeSilent) socket.send(sentinel, port, address);
  });
}

/** The same over TCP; undefined also if the server closes the connection. */
export function askTcp({ address, port }: At, packet: Buffer, maybeSilent = false): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    let got = Buffer.alloc(0);
    socket.on("error", reject);
    socket.on("close", () => resolve(undefined));
    socket.on("data", (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < got.readUInt16BE(0) + 2) return;
      const reply = got.subarray(2, 2 + got.readUInt16BE(0));
      resolve(reply.readUInt16BE(0) === SENTINEL ? undefined : reply);
      socket.destroy();
    });
    for (const p of maybeSilent ? [packet, sentinel] : [packet])
      socket.write(Buffer.concat([Buffer.from([p.length >> 8, p.length & 255]), p]));
  });
}
