/** State in memory that is changed step by step under the kernel's rules: what the fake kernel and the dry run hold. */
import { claims, normal, placeOf } from "../diff.ts";
import {
  type Destination,
  EMPTY,
  type LbOp,
  type LbState,
  type LocalAddress,
  type PublishedPort,
  type Redirect,
  type Snat,
  type VirtualServer,
} from "../state.ts";

type Held = Omit<VirtualServer, "destinations"> & { readonly destinations: Map<string, Destination> };

export class Memory {
  readonly #addresses = new Map<string, LocalAddress>();
  readonly #servers = new Map<string, Held>();
  /** What servers take up, and the key of the one that does. */
  readonly #claims = new Map<string, string>();
  readonly #snats = new Map<string, Snat>();
  readonly #redirects = new Map<string, Redirect>();
  readonly #published = new Map<string, PublishedPort>();
  readonly #sysctls = new Map<string, string>();

  constructor(state: LbState = EMPTY) {
    for (const address of state.addresses) this.do({ op: "address.add", address });
    for (const server of state.servers) {
      this.do({ op: "server.add", server });
      for (const destination of server.destinations) this.do({ op: "destination.add", server, destination });
    }
    for (const snat of state.snats) this.do({ op: "snat.add", snat });
    for (const redirect of state.redirects) this.do({ op: "redirect.add", redirect });
    for (const published of state.published) this.do({ op: "published.add", published });
    for (const [key, value] of Object.entries(state.sysctls)) this.do({ op: "sysctl.set", key, value });
  }

  /**
   * One step; false if everything was like that before. Throws an Error that says why the kernel would refuse; removing what
   * is not there is fine.
   */
  do(op: LbOp): boolean {
    switch (op.op) {
      case "sysctl.set":
        return put(this.#sysctls, op.key, op.value);
      case "address.add":
        return put(this.#addresses, placeOf.address(op.address), op.address);
      case "address.remove":
        return this.#addresses.delete(placeOf.address(op.address));
      case "server.add":
        return this.#addServer(op.server);
      case "server.change":
        return this.#changeServer(op.server);
      case "server.remove":
        return this.#removeServer(op.server.key);
      case "destination.add":
      case "destination.change":
        return put(this.#server(op.server, op.op).destinations, op.destination.address, op.destination);
      case "destination.remove":
        return this.#servers.get(op.server.key)?.destinations.delete(op.destination.address) ?? false;
      case "snat.add":
        return place(this.#snats, placeOf.snat(op.snat), op.snat, op.op);
      case "snat.remove":
        return displace(this.#snats, placeOf.snat(op.snat), op.snat);
      case "redirect.add":
        return place(this.#redirects, placeOf.redirect(op.redirect), op.redirect, op.op);
      case "redirect.remove":
        return displace(this.#redirects, placeOf.redirect(op.redirect), op.redirect);
      case "published.add":
        return place(this.#published, placeOf.published(op.published), op.published, op.op);
      case "published.remove":
        return displace(this.#published, placeOf.published(op.published), op.published);
    }
  }

  /** What is there, as a new object; of the sysctls those that `keys` names, or all. */
  state(keys: readonly string[] = [...this.#sysctls.keys()]): LbState {
    return normal({
      addresses: [...this.#addresses.values()],
      servers: [...this.#servers.values()].map((s) => ({ ...s, destinations: [...s.destinations.values()] })),
      snats: [...this.#snats.values()],
      redirects: [...this.#redirects.values()],
      published: [...this.#published.values()],
      sysctls: Object.fromEntries([...this.#sysctls].filter(([key]) => keys.includes(key))),
    });
  }

  #addServer(server: VirtualServer): boolean {
    const there = this.#servers.get(server.key);
    if (there !== undefined && !samePlace(there, server))
      throw new Error(`server.add ${server.key}: it is there already, with another VIP, mark, port or way`);
    const wanted = claims(server);
    for (const claim of wanted) {
      const owner = this.#claims.get(claim);
      if (owner !== undefined && owner !== server.key)
        throw new Error(`server.add ${server.key}: "${claim}" is taken by ${owner}`);
    }
    for (const claim of wanted) this.#claims.set(claim, server.key);
    this.#servers.set(server.key, { ...server, destinations: there?.destinations ?? new Map() });
    return there === undefined || !sameSettings(there, server);
  }

  #changeServer(server: VirtualServer): boolean {
    const there = this.#server(server, "server.change");
    if (!samePlace(there, server))
      throw new Error(`server.change ${server.key}: only scheduler and affinity can change`);
    this.#servers.set(server.key, { ...there, scheduler: server.scheduler, affinity: server.affinity });
    return !sameSettings(there, server);
  }

  #removeServer(key: string): boolean {
    const there = this.#servers.get(key);
    if (there === undefined) return false;
    for (const claim of claims({ ...there, destinations: [] })) this.#claims.delete(claim);
    return this.#servers.delete(key);
  }

  #server({ key }: VirtualServer, op: string): Held {
    const server = this.#servers.get(key);
    if (server === undefined) throw new Error(`${op}: there is no server ${key}`);
    return server;
  }
}

function put<T>(entries: Map<string, T>, where: string, entry: T): boolean {
  const there = entries.get(where);
  entries.set(where, entry);
  return there === undefined || !same(there, entry);
}

/** Adding the same again is fine; another value at its place is not. */
function place<T>(entries: Map<string, T>, where: string, entry: T, op: string): boolean {
  const there = entries.get(where);
  if (there !== undefined && !same(there, entry)) throw new Error(`${op}: ${JSON.stringify(there)} is there`);
  return put(entries, where, entry);
}

/** Removes this value only: another one at its place is not what was meant. */
function displace<T>(entries: Map<string, T>, where: string, entry: T): boolean {
  const there = entries.get(where);
  return there !== undefined && same(there, entry) && entries.delete(where);
}

const same = <T>(a: T, b: T): boolean => text(a) === text(b);

const text = (entry: unknown): string =>
  typeof entry === "object" ? JSON.stringify(Object.entries(entry as object).sort()) : String(entry);

const sameSettings = (a: Held, b: VirtualServer): boolean => a.scheduler === b.scheduler && a.affinity === b.affinity;

const samePlace = (a: Omit<VirtualServer, "destinations">, b: VirtualServer): boolean => same(identity(a), identity(b));

const identity = ({ vip, mark, from, ports, forwarding, keepSource }: Omit<VirtualServer, "destinations">) => ({
  vip,
  mark,
  from,
  ports: ports.map((p) => `${p.protocol} ${p.port}`).sort(),
  forwarding,
  keepSource: keepSource ?? false,
});
