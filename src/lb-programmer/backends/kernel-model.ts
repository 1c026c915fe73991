/**
 * A model of what one namespace holds: changed step by step, it refuses what the kernel would refuse. The fake backend and the dry
 * run hold one for each target.
 */
import { entryKey, occupies } from "../entries.ts";
import { normal } from "../normal.ts";
import { overlap, portText } from "../port-ranges.ts";
import {
  type Destination,
  EMPTY,
  type LbOp,
  type LbState,
  type LocalAddress,
  type PortRedirect,
  type PublishedPort,
  type Snat,
  type VirtualServer,
} from "../state.ts";

type Held = Omit<VirtualServer, "destinations"> & { readonly destinations: Map<string, Destination> };

export class KernelModel {
  readonly #addresses = new Map<string, LocalAddress>();
  readonly #servers = new Map<string, Held>();
  /** What is occupied, and the key of the server that does. */
  readonly #occupied = new Map<string, string>();
  readonly #snats = new Map<string, Snat>();
  readonly #redirects = new Map<string, PortRedirect>();
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
        return put(this.#addresses, entryKey.address(op.address), op.address);
      case "address.remove":
        return this.#addresses.delete(entryKey.address(op.address));
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
        return putNew(this.#snats, entryKey.snat(op.snat), op.snat, op.op);
      case "snat.remove":
        return removeSame(this.#snats, entryKey.snat(op.snat), op.snat);
      case "redirect.add":
        return putNew(this.#redirects, entryKey.redirect(op.redirect), op.redirect, op.op);
      case "redirect.remove":
        return removeSame(this.#redirects, entryKey.redirect(op.redirect), op.redirect);
      case "published.add":
        return this.#publish(inOrder(op.published));
      case "published.remove":
        return removeSame(this.#published, entryKey.published(op.published), inOrder(op.published));
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

  #publish(published: PublishedPort): boolean {
    const key = entryKey.published(published);
    for (const [other, there] of this.#published)
      if (other !== key && overlap(there, published))
        throw new Error(`published.add ${portText(published)}: ${portText(there)} is there`);
    return putNew(this.#published, key, published, "published.add");
  }

  #addServer(server: VirtualServer): boolean {
    const there = this.#servers.get(server.key);
    if (there !== undefined && !sameIdentity(there, server))
      throw new Error(`server.add ${server.key}: it is there already, with another VIP, mark, port or way`);
    const wanted = occupies(server);
    for (const what of wanted) {
      const owner = this.#occupied.get(what);
      if (owner !== undefined && owner !== server.key)
        throw new Error(`server.add ${server.key}: "${what}" is taken by ${owner}`);
    }
    for (const what of wanted) this.#occupied.set(what, server.key);
    this.#servers.set(server.key, { ...server, destinations: there?.destinations ?? new Map() });
    return there === undefined || !sameSettings(there, server);
  }

  #changeServer(server: VirtualServer): boolean {
    const there = this.#server(server, "server.change");
    if (!sameIdentity(there, server))
      throw new Error(`server.change ${server.key}: only scheduler and affinity can change`);
    this.#servers.set(server.key, { ...there, scheduler: server.scheduler, affinity: server.affinity });
    return !sameSettings(there, server);
  }

  #removeServer(key: string): boolean {
    const there = this.#servers.get(key);
    if (there === undefined) return false;
    for (const what of occupies({ ...there, destinations: [] })) this.#occupied.delete(what);
    return this.#servers.delete(key);
  }

  #server({ key }: VirtualServer, op: string): Held {
    const server = this.#servers.get(key);
    if (server === undefined) throw new Error(`${op}: there is no server ${key}`);
    return server;
  }
}

/** Its sources are a set. */
const inOrder = (published: PublishedPort): PublishedPort =>
  published.sources === undefined ? published : { ...published, sources: [...published.sources].sort() };

function put<T>(entries: Map<string, T>, where: string, entry: T): boolean {
  const there = entries.get(where);
  entries.set(where, entry);
  return there === undefined || !same(there, entry);
}

/** Adding the same again is fine; another value at its place is not. */
function putNew<T>(entries: Map<string, T>, where: string, entry: T, op: string): boolean {
  const there = entries.get(where);
  if (there !== undefined && !same(there, entry)) throw new Error(`${op}: ${JSON.stringify(there)} is there`);
  return put(entries, where, entry);
}

/** Removes this value only: another one at its place is not what was meant. */
function removeSame<T>(entries: Map<string, T>, where: string, entry: T): boolean {
  const there = entries.get(where);
  return there !== undefined && same(there, entry) && entries.delete(where);
}

const same = <T>(a: T, b: T): boolean => text(a) === text(b);

const text = (entry: unknown): string =>
  typeof entry === "object" ? JSON.stringify(Object.entries(entry as object).sort()) : String(entry);

const sameSettings = (a: Held, b: VirtualServer): boolean => a.scheduler === b.scheduler && a.affinity === b.affinity;

const sameIdentity = (a: Omit<VirtualServer, "destinations">, b: VirtualServer): boolean =>
  same(identity(a), identity(b));

const identity = ({ vip, mark, from, ports, only, forwarding, keepSource }: Omit<VirtualServer, "destinations">) => ({
  vip,
  mark,
  from,
  ports: ports.map(portText).sort(),
  only: only?.map(portText).sort(),
  forwarding,
  keepSource: keepSource ?? false,
});
