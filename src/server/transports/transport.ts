/** What a transport needs of the server, and gives it back. */

/** The server side of one listening address. */
export interface Handler {
  /** Answers into `out`: the answer's length; 0: say nothing; negative: call `forward` with the same packet. */
  serve(packet: Uint8Array, length: number, from: string, kind: "udp" | "tcp", out: Uint8Array): number;
  /** Copies the packet. `send` is called once, maybe later. */
  forward(packet: Uint8Array, from: string, kind: "udp" | "tcp", send: (answer: Uint8Array) => void): void;
  /** An error of the socket that is nobody's answer. */
  failed(error: Error): void;
  /** To be told of an exception while a packet or a connection was served; the caller has given up that one and nothing else. */
  threw(error: unknown): void;
}

/** A listening socket. */
export interface Opened {
  readonly port: number;
  close(): Promise<void>;
}

/** For a thread that waits in epoll: whose turn it is when a descriptor is ready. `busy`: others are ready, too. */
export type OnReady = Map<number, { ready(busy: boolean): void }>;
