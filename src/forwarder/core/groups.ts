/** Upstream lists by identity: a question to one list never shares a flight or a cached answer with the same question to another list. */
import type { Upstream } from "../../model/types.ts";
import { createRoute, type Route } from "./route.ts";
import type { ForwardRequest } from "./types.ts";
import { Server } from "./upstream-health.ts";

/** The servers that a question goes to, in order of preference. `prefix` begins its cache and coalescing keys. */
export interface Group {
  readonly servers: readonly Server[];
  readonly prefix: string;
}

export class Groups {
  readonly #routes = new WeakMap<readonly Upstream[], Route>();
  readonly #byList = new WeakMap<readonly Upstream[], Group>();
  #byText = new Map<string, Group>();
  #servers = new Map<string, Server>();
  #serial = 0;

  /** The group for a request: split DNS first (a no-op for lists already picked), then the list's identity. */
  of(request: ForwardRequest): Group {
    let route = this.#routes.get(request.upstreams);
    if (route === undefined) {
      route = createRoute(request.upstreams);
      this.#routes.set(request.upstreams, route);
    }
    const list = route(request.question.slice(0, -4));
    let group = this.#byList.get(list);
    if (group === undefined) {
      group = this.#find(list);
      this.#byList.set(list, group);
    }
    return group;
  }

  /** Every upstream known by now. */
  get servers(): Iterable<Server> {
    return this.#servers.values();
  }

  #find(list: readonly Upstream[]): Group {
    // Lists come from configuration, but containers come and go: forget all of them now and then. Known lists keep their group.
    if (this.#byText.size >= MOST || this.#servers.size >= MOST) {
      this.#byText = new Map();
      this.#servers = new Map();
    }
    const servers = [...new Set(list.slice(0, MOST_IN_GROUP).map((upstream) => this.#server(upstream)))];
    const text = servers.map((s) => `${s.name} ${s.netns ?? ""}`).join(" ");
    let group = this.#byText.get(text);
    if (group === undefined) {
      const serial = this.#serial++;
      group = { servers, prefix: String.fromCharCode(serial & 0xffff, (serial >>> 16) & 0xffff) };
      this.#byText.set(text, group);
    }
    return group;
  }

  #server({ address, port, netns }: Upstream): Server {
    const name = `${address} ${port} ${netns ?? ""}`;
    let server = this.#servers.get(name);
    if (server === undefined) {
      server = new Server(address, port, netns);
      this.#servers.set(name, server);
    }
    return server;
  }
}

const MOST = 4096;
/** A list may come from a container's own file: nobody needs more, and each costs a socket when all are silent. */
const MOST_IN_GROUP = 16;
