/** The data plane on this thread, over node's own sockets: portable, and the reference for every other one. */
import type { Forwarder } from "../forwarder/types.ts";
import type { Listen, SandboxId } from "../model/types.ts";
import { Tables } from "../scoping/tables.ts";
import { Senders } from "./binding.ts";
import type { Bound, DataPlane } from "./data-plane.ts";
import { forward } from "./forward.ts";
import { MAX_TCP, MAX_UDP_LOOPBACK, MAX_UDP_REMOTE, type Serving, SILENT, serve } from "./serve.ts";
import { openTcp } from "./transports/tcp.ts";
import type { Handler, Opened } from "./transports/transport.ts";
import { openUdp } from "./transports/udp.ts";

export interface InlineOptions {
  readonly serving: Serving;
  readonly forwarder: Forwarder;
  /** Errors of sockets that belong to no single query. */
  readonly onError?: (error: Error) => void;
}

/** A listening address: its sockets, and who is behind it. */
interface Binding {
  readonly senders: Senders;
  readonly sockets: Opened[];
  readonly at: Bound;
}

export class InlinePlane implements DataPlane {
  readonly #options: InlineOptions;
  readonly #tables = new Tables();
  readonly #bindings = new Map<string, Binding>();

  constructor(options: InlineOptions) {
    this.#options = options;
  }

  get counters(): DataPlane["counters"] {
    return this.#options.serving.counters;
  }

  /** The tables that answers come from; the object edge and `explain` look things up here, too. */
  get tables(): Tables {
    return this.#tables;
  }

  update(patch: Parameters<DataPlane["update"]>[0]): void {
    this.#tables.apply(patch);
    this.#options.serving.soa.serial = patch.revision >>> 0;
  }

  async applied(): Promise<void> {} // update() has taken effect when it returns

  async attach(sandbox: SandboxId, listen: readonly Listen[]): Promise<readonly Bound[]> {
    const bound: Bound[] = [];
    try {
      for (const one of listen) bound.push(await this.#listen(sandbox, one));
    } catch (error) {
      await this.detach(sandbox);
      throw error;
    }
    return bound;
  }

  /** Answers one query without a socket, as over TCP from an address of its own. */
  ask(query: Uint8Array, sandbox: SandboxId): Promise<Uint8Array> {
    const { serving, forwarder } = this.#options;
    const scope = this.#tables.scope(sandbox);
    const length = serve(serving, query, query.length, MAX_TCP, scope, asked);
    if (length > 0) return Promise.resolve(Buffer.from(asked.subarray(0, length)));
    if (length === SILENT || scope === undefined) return Promise.reject(new Error("not a query: nothing to answer"));
    return new Promise((resolve) => forward(serving, forwarder, scope, query, "", MAX_TCP, resolve));
  }

  async detach(sandbox: SandboxId): Promise<void> {
    for (const [name, binding] of this.#bindings) {
      binding.senders.remove(sandbox);
      if (!binding.senders.empty) continue;
      this.#bindings.delete(name);
      await Promise.all(binding.sockets.map((s) => s.close()));
    }
  }

  async close(): Promise<void> {
    const sockets = [...this.#bindings.values()].flatMap((b) => b.sockets);
    this.#bindings.clear();
    await Promise.all(sockets.map((s) => s.close()));
  }

  async #listen(sandbox: SandboxId, { address, port, source }: Listen): Promise<Bound> {
    const known = port === 0 ? undefined : this.#bindings.get(`${address} ${port}`);
    if (known !== undefined) {
      known.senders.add(sandbox, source);
      return known.at;
    }
    const senders = new Senders();
    senders.add(sandbox, source);
    const sockets = await openBoth(address, port, this.#handler(address, senders));
    const binding = { senders, sockets, at: { address, port: sockets[0].port } };
    this.#bindings.set(`${address} ${binding.at.port}`, binding);
    return binding.at;
  }

  #handler(address: string, senders: Senders): Handler {
    const { serving, forwarder, onError } = this.#options;
    const tables = this.#tables;
    const udp = address.startsWith("127.") || address === "::1" ? MAX_UDP_LOOPBACK : MAX_UDP_REMOTE;
    const scopeOf = (from: string) => {
      const id = senders.find(from);
      return id === undefined ? undefined : tables.scope(id);
    };
    return {
      serve: (packet, length, from, kind, out) =>
        serve(serving, packet, length, kind === "tcp" ? MAX_TCP : udp, scopeOf(from), out),
      forward: (packet, from, kind, send) => {
        const scope = scopeOf(from);
        if (scope !== undefined) forward(serving, forwarder, scope, packet, from, kind === "tcp" ? MAX_TCP : udp, send);
      },
      failed: (error) => onError?.(error),
    };
  }
}

const asked = Buffer.alloc(MAX_TCP);

/** UDP and TCP on one port. For port 0 the kernel picks one for UDP; if TCP has it taken, another pair is tried. */
async function openBoth(address: string, port: number, handler: Handler): Promise<[Opened, Opened]> {
  for (let tries = port === 0 ? 16 : 1; ; tries--) {
    const udp = await openUdp(address, port, handler);
    try {
      return [udp, await openTcp(address, udp.port, handler)];
    } catch (error) {
      await udp.close();
      if (tries <= 1) throw error;
    }
  }
}
