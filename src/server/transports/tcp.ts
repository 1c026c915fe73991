/** DNS over TCP on node's event loop: the portable transport. What a connection does is connection.ts's. */
import { createServer, type Server, type Socket } from "node:net";
import { Connection, type Wire } from "./connection.ts";
import { Connections, MAX_CONNECTIONS, type Times } from "./connections.ts";
import type { Handler, Opened } from "./transport.ts";

export interface TcpOptions {
  /** A listening socket to adopt; address and port are not bound then. */
  readonly fd?: number;
  /** Milliseconds a peer may take; for tests. */
  readonly times?: Times | undefined;
}

/** Listens and starts to answer; rejects with the system's error. */
export function openTcp(
  address: string,
  port: number,
  handler: Handler,
  { fd, times }: TcpOptions = {},
): Promise<Opened> {
  const listener = new Listener(handler, times);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => listener.accept(socket));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const at = fd === undefined ? { host: address, port, ipv6Only: true } : { fd };
    server.listen({ ...at, exclusive: true }, () => {
      server.removeListener("error", reject);
      server.on("error", handler.failed);
      resolve({ port: portOf(server), close: () => closeAll(server, listener) });
    });
  });
}

class Listener {
  readonly #handler: Handler;
  readonly #connections: Connections<Connection>;
  #timer: NodeJS.Timeout | undefined;
  #rings = Number.POSITIVE_INFINITY;

  constructor(handler: Handler, times: Times | undefined) {
    this.#handler = handler;
    this.#connections = new Connections(times);
  }

  accept(socket: Socket): void {
    const connections = this.#connections;
    if (connections.size >= MAX_CONNECTIONS) connections.longestIdle()?.close();
    const wire = new SocketWire(socket, () => {
      if (connection.turn() > 0) connections.served(connection, performance.now());
    });
    const connection = new Connection(
      wire,
      this.#handler,
      socket.remoteAddress ?? "",
      connections.held,
      performance.now(),
    );
    wire.connection = connection;
    connections.add(connection);
    socket.on("close", () => {
      connection.close();
      connections.delete(connection);
    });
    this.#arm();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#rings = Number.NEGATIVE_INFINITY; // never armed again
    for (const connection of this.#connections) connection.close();
  }

  /** Anew only for an earlier moment: a timer that rings too early costs less than one set for each query. */
  #arm(): void {
    const at = this.#connections.nextDeadline();
    if (at >= this.#rings) return;
    clearTimeout(this.#timer);
    this.#rings = at;
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, at - performance.now()));
  }

  #expire(): void {
    for (const connection of this.#connections.expired(performance.now())) {
      connection.close();
      this.#connections.delete(connection);
    }
    this.#rings = Number.POSITIVE_INFINITY;
    this.#arm();
  }
}

/** A socket of node's under a connection. */
class SocketWire implements Wire {
  connection: Connection | undefined;
  readonly #socket: Socket;
  readonly #turn: () => void;
  #scheduled = false;

  constructor(socket: Socket, turn: () => void) {
    this.#socket = socket;
    this.#turn = turn;
    socket.on("data", (chunk) => {
      this.connection?.received(chunk);
      turn();
    });
    socket.on("end", () => {
      this.connection?.ended();
      turn();
    });
    socket.on("drain", () => this.connection?.settle());
    socket.on("error", () => this.connection?.close());
  }

  get unread(): number {
    return this.#socket.writableLength;
  }

  write(octets: Buffer): void {
    this.#socket.write(octets);
  }

  changed(): void {
    const { connection } = this;
    if (connection === undefined || this.#socket.destroyed) return;
    if (connection.reads) this.#socket.resume();
    else this.#socket.pause();
    if (!connection.more || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function closeAll(server: Server, listener: Listener): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    listener.close();
  });
}
