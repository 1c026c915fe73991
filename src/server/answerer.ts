/** One thread's answering side: its tables, its forwarder, and what a packet's road needs to know of a listening address. */
import { type Forwarder, type ForwardReply, type ForwardRequest, SHUTTING_DOWN } from "../forwarder/core/types.ts";
import type { SandboxId } from "../model/types.ts";
import type { ScopePatch } from "../scoping/patch.ts";
import { Tables } from "../scoping/tables.ts";
import { forward } from "./forward.ts";
import type { Senders } from "./senders.ts";
import { MAX_TCP, MAX_UDP_LOOPBACK, MAX_UDP_REMOTE, type Serving, SILENT, serve } from "./serve.ts";
import { tellOnce } from "./tell-once.ts";
import type { Handler } from "./transports/transport.ts";

export class Answerer {
  readonly tables = new Tables();
  readonly serving: Serving;
  /** The thread's forwarder, kept from what goes wrong on this side of it. */
  readonly forwarder: Pick<Forwarder, "forward">;
  readonly #onError: (error: Error) => void;
  readonly #tell: (error: unknown) => void;
  #ending = false;

  constructor(serving: Serving, forwarder: Pick<Forwarder, "forward">, onError: (error: Error) => void) {
    this.serving = serving;
    this.forwarder = { forward: (request, reply) => this.#forward(forwarder, request, reply) };
    this.#onError = onError;
    this.#tell = tellOnce(onError);
  }

  update(patch: ScopePatch): void {
    this.tables.apply(patch);
    this.serving.soa.serial = patch.revision >>> 0;
  }

  /** What a transport that listens on `address` for these sandboxes calls. */
  handler(address: string, senders: Senders): Handler {
    const { serving, forwarder, tables } = this;
    const udp = udpLimit(address);
    const scopeOf = (from: string) => {
      const id = senders.find(from);
      return id === undefined ? undefined : tables.scope(id);
    };
    return {
      serve: (packet, length, from, kind, out) =>
        serve(serving, packet, length, kind === "tcp" ? MAX_TCP : udp, scopeOf(from), out),
      forward: (packet, from, kind, send) => {
        const scope = scopeOf(from);
        if (scope !== undefined)
          forward(serving, forwarder, scope, packet, packet.length, from, kind === "tcp" ? MAX_TCP : udp, send);
      },
      failed: this.#onError,
      threw: (error) => this.threw(error),
    };
  }

  /** Answers one query without a socket, as over TCP from an address of its own. */
  ask(query: Uint8Array, sandbox: SandboxId): Promise<Uint8Array> {
    const scope = this.tables.scope(sandbox);
    const length = serve(this.serving, query, query.length, MAX_TCP, scope, asked);
    if (length > 0) return Promise.resolve(Buffer.from(asked.subarray(0, length)));
    if (length === SILENT || scope === undefined) return Promise.reject(new Error("not a query: nothing to answer"));
    return new Promise((resolve) =>
      forward(this.serving, this.forwarder, scope, query, query.length, "", MAX_TCP, resolve),
    );
  }

  /** Questions for upstreams fail from here on; what is in flight goes on. */
  end(): void {
    this.#ending = true;
  }

  /** An exception while a packet or a connection was served, which is all it may cost: counted, and told once for each place. */
  threw(error: unknown): void {
    this.serving.counters.errors++;
    this.#tell(error);
  }

  /** What throws in a reply must not keep the forwarder from replying to others. */
  #forward(forwarder: Pick<Forwarder, "forward">, request: ForwardRequest, reply: ForwardReply) {
    if (this.#ending) return reply(SHUTTING_DOWN);
    forwarder.forward(request, (outcome) => {
      try {
        reply(outcome);
      } catch (error) {
        this.threw(error);
      }
    });
  }
}

const asked = Buffer.alloc(MAX_TCP);

/** Loopback carries what a client says it takes; elsewhere a fragment might be lost. */
export const udpLimit = (address: string): number =>
  address.startsWith("127.") || address === "::1" ? MAX_UDP_LOOPBACK : MAX_UDP_REMOTE;
