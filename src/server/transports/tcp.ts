/**
 * DNS over TCP (RFC 7766): queries are pipelined, answers go out as they are ready. Everything a peer can hold on to is
 * bounded: connections, time to send a query, answers it does not read, questions waiting for upstreams.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Handler, Opened } from "./transport.ts";

/** Milliseconds until a connection that sends no complete query is closed (moby: 2 s for the first, 8 s between). */
const FIRST_QUERY = 2_000;
const IDLE = 8_000;
/** Past this many connections on one listener the longest idle one makes room. */
const MAX_CONNECTIONS = 512;
/** Past this many unanswered questions, or unread octets, nothing more is read until some are gone. */
const MAX_PENDING = 128;
const MAX_UNREAD = 1 << 20;

export interface TcpOptions {
  /** A listening socket to adopt; address and port are not bound then. */
  readonly fd?: number;
  /** Milliseconds a peer may take; for tests. */
  readonly times?: { readonly first: number; readonly idle: number };
}

/** Listens and starts to answer; rejects with the system's error. */
export function openTcp(
  address: string,
  port: number,
  handler: Handler,
  { fd, times = { first: FIRST_QUERY, idle: IDLE } }: TcpOptions = {},
): Promise<Opened> {
  const connections = new Set<Connection>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (connections.size >= MAX_CONNECTIONS) longestIdle(connections)?.close();
    const connection = new Connection(socket, handler, times, () => connections.delete(connection));
    connections.add(connection);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const at = fd === undefined ? { host: address, port, ipv6Only: true } : { fd };
    server.listen({ ...at, exclusive: true }, () => {
      server.removeListener("error", reject);
      server.on("error", handler.failed);
      resolve({ port: portOf(server), close: () => closeAll(server, connections) });
    });
  });
}

const out = Buffer.alloc(65_537);
const message = out.subarray(2);

class Connection {
  readonly #socket: Socket;
  readonly #handler: Handler;
  readonly #times: { first: number; idle: number };
  #unread: Buffer = Buffer.alloc(0);
  #pending = 0;
  #ended = false;
  #deadline: NodeJS.Timeout;
  /** When the last complete query came (or the connection), milliseconds. */
  since = Date.now();

  constructor(socket: Socket, handler: Handler, times: { first: number; idle: number }, gone: () => void) {
    this.#socket = socket;
    this.#handler = handler;
    this.#times = times;
    // Set once for each complete query, not for each octet: a peer that drips octets does not stay.
    this.#deadline = setTimeout(() => this.#expire(), times.first);
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("drain", () => this.#continue());
    socket.on("end", () => this.#finish());
    socket.on("error", () => this.close());
    socket.on("close", () => {
      clearTimeout(this.#deadline);
      gone();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    this.#continue();
  }

  /** Serves the complete messages among the unread octets, as far as the bounds allow. */
  #continue(): void {
    let at = 0;
    while (this.#unread.length - at >= 2 && !this.#full()) {
      const end = at + 2 + this.#unread.readUInt16BE(at);
      if (end > this.#unread.length) break;
      this.#serve(this.#unread.subarray(at + 2, end));
      at = end;
    }
    if (at > 0) {
      this.#unread = this.#unread.subarray(at);
      this.#rearm();
    }
    if (this.#full()) this.#socket.pause();
    else this.#socket.resume();
  }

  #serve(packet: Buffer): void {
    const from = this.#socket.remoteAddress ?? "";
    const length = this.#handler.serve(packet, packet.length, from, "tcp", message);
    if (length > 0) {
      out.writeUInt16BE(length);
      this.#socket.write(Buffer.from(out.subarray(0, length + 2)));
    } else if (length < 0) {
      this.#pending++;
      this.#handler.forward(Buffer.from(packet), from, "tcp", (answer) => this.#answer(answer));
    }
  }

  #answer(answer: Uint8Array): void {
    this.#pending--;
    if (this.#socket.destroyed) return;
    const framed = Buffer.allocUnsafe(answer.length + 2);
    framed.writeUInt16BE(answer.length);
    framed.set(answer, 2);
    this.#socket.write(framed);
    if (this.#ended) this.#finish();
    else this.#continue();
  }

  /** The peer has said all; it still gets what it asked for. */
  #finish(): void {
    this.#ended = true;
    if (this.#pending === 0) this.#socket.end();
  }

  #expire(): void {
    if (this.#pending > 0) this.#rearm();
    else this.close();
  }

  #rearm(): void {
    this.since = Date.now();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#expire(), this.#times.idle);
  }

  #full(): boolean {
    return this.#pending >= MAX_PENDING || this.#socket.writableLength > MAX_UNREAD;
  }
}

function longestIdle(connections: Iterable<Connection>): Connection | undefined {
  let oldest: Connection | undefined;
  for (const c of connections) if (oldest === undefined || c.since < oldest.since) oldest = c;
  return oldest;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function closeAll(server: Server, connections: Iterable<Connection>): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    for (const connection of connections) connection.close();
  });
}
