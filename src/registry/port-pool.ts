/** Published ports of the whole cluster, by swarmkit's rules and in its words (manager/allocator, manager/controlapi). */
import { canonicalRange } from "../model/address.ts";
import { brief } from "../model/quote.ts";
import type { Port, Protocol, Service } from "../model/types.ts";
import { RegistryError } from "./error.ts";
import type { Taking, Undo } from "./undo.ts";

const DYNAMIC_FIRST = 30_000;
const DYNAMIC_LAST = 32_767;

export class PortPool {
  /** "8080/tcp" to the service that has it in the mesh. */
  readonly #ingress = new Map<string, Service>();
  /** "8080/tcp" to the services that publish it on their tasks' nodes; several may, the scheduler keeps them apart. */
  readonly #host = new Map<string, Map<string, Service>>();
  readonly #cursor: Record<Protocol, number> = { tcp: DYNAMIC_FIRST, udp: DYNAMIC_FIRST, sctp: DYNAMIC_FIRST };

  get size(): number {
    return this.#ingress.size + this.#host.size;
  }

  /**
   * The service's ports, all that are published numbered. A port published as 0 keeps the number that the same port
   * (name, protocol, target, mode) had in `before`, whatever the order and however many ports come or go (swarmkit forgets it when their number changes).
   */
  take(given: Service, before: readonly Port[], step: Taking): Port[] {
    check(given);
    const service = { ...given, ports: withSources(given) };
    // Numbers that are asked for first, then those kept: a new number must not be one of them.
    for (const port of service.ports) if (port.published) this.#claim(service, port, step.undo);
    const asked = new Set(service.ports.map((p) => portKey(p.published ?? 0, p.protocol)));
    const old = before.filter((p) => p.published && !asked.has(portKey(p.published, p.protocol)));
    const kept = service.ports.map((port) => {
      if (!isDynamic(port)) return port;
      const i = old.findIndex((p) => SAME.every((key) => p[key] === port[key]));
      const published = i < 0 ? undefined : old.splice(i, 1)[0]!.published!;
      if (published === undefined || this.#busy(published, port)) return port;
      return this.#claim(service, { ...port, published }, step.undo);
    });
    return kept.map((port) =>
      isDynamic(port) ? this.#claim(service, { ...port, published: this.#next(port, step) }, step.undo) : port,
    );
  }

  release(service: Service, undo: Undo): void {
    for (const { published, protocol, mode } of service.ports) {
      const key = portKey(published ?? 0, protocol);
      if (mode === "ingress") undo.delete(this.#ingress, key);
      else {
        const users = this.#host.get(key);
        if (users === undefined) continue;
        undo.delete(users, service.id);
        if (users.size === 0) undo.delete(this.#host, key);
      }
    }
  }

  #claim(service: Service, port: Port, undo: Undo): Port {
    const published = port.published!;
    const key = portKey(published, port.protocol);
    const ingress = this.#ingress.get(key);
    if (ingress !== undefined) throw inUse(published, ingress, "an ingress port");
    const users = this.#host.get(key);
    if (port.mode === "host") {
      if (users === undefined) undo.set(this.#host, key, new Map([[service.id, service]]));
      else undo.set(users, service.id, service);
      return port;
    }
    const [other] = users?.values() ?? [];
    if (other !== undefined) throw inUse(published, other, "a host-published port");
    undo.set(this.#ingress, key, service);
    return port;
  }

  /** Ports in host mode may have one number. */
  #busy(published: number, { protocol, mode }: Port): boolean {
    const key = portKey(published, protocol);
    return this.#ingress.has(key) || (mode === "ingress" && this.#host.has(key));
  }

  #next(wanted: Port, { undo, spoken }: Taking): number {
    const { protocol } = wanted;
    const before = this.#cursor[protocol];
    undo.push(() => {
      this.#cursor[protocol] = before;
    });
    for (let tries = DYNAMIC_FIRST; tries <= DYNAMIC_LAST; tries++) {
      const port = this.#cursor[protocol];
      this.#cursor[protocol] = port === DYNAMIC_LAST ? DYNAMIC_FIRST : port + 1;
      if (!this.#busy(port, { ...wanted, mode: "ingress" }) && !spoken.has(portKey(port, protocol))) return port;
    }
    throw new RegistryError(
      "exhausted",
      `no bit available: all ports ${DYNAMIC_FIRST}-${DYNAMIC_LAST}/${protocol} are published`,
      "ports",
    );
  }
}

export const portKey = (published: number, protocol: Protocol): string => `${published}/${protocol}`;

const isDynamic = ({ published }: Port): boolean => published === 0;

/** What makes it the same port. */
const SAME = ["name", "protocol", "target", "mode"] as const;

function check({ name, mode, ports }: Service): void {
  const seen = new Set<string>();
  for (const [i, { published, protocol, mode: how }] of ports.entries()) {
    if (published === undefined) continue;
    const invalid = (what: string, field: string): RegistryError =>
      new RegistryError("invalid", `service ${name}: EndpointSpec: ${what}`, `ports[${i}].${field}`);
    if (how === "ingress" && mode === "dnsrr")
      throw invalid("port published with ingress mode can't be used with dnsrr mode", "mode");
    const key = portKey(published, protocol);
    if (published !== 0 && seen.has(key)) throw invalid(`duplicate published ports provided (${key})`, "published");
    seen.add(key);
  }
}

/**
 * With sources as everyone writes them, so that equal ones are seen to be equal. Ports share a list, those of one range also when each is
 * read by itself, from a store or in a patch: what is planned from a list is planned once.
 */
function withSources({ name, ports }: Service): readonly Port[] {
  const seen = new Map<readonly string[] | string, readonly string[]>();
  return ports.map((port, i) => {
    const { sources, published } = port;
    if (sources === undefined) return port;
    const invalid = (what: string, place: string): RegistryError =>
      new RegistryError("invalid", `service ${name}: ${what}`, `ports[${i}].sources${place}`);
    if (published === undefined) throw invalid("a port that is not published has no sources to be reached from", "");
    const canonical = (text: string, n: number): string => {
      const range = canonicalRange(text);
      if (range === undefined) throw invalid(`source "${brief(text)}" is no IP address and no range`, `[${n}]`);
      // Nobody comes from there over IPv6, and over IPv4 it would let nobody in.
      if (range.startsWith("::ffff:"))
        throw invalid(`source "${brief(text)}" is IPv4 as IPv6 writes it: write it as IPv4`, `[${n}]`);
      return range;
    };
    let known = seen.get(sources);
    if (known === undefined) {
      const text = JSON.stringify(sources);
      known = seen.get(text) ?? sources.map(canonical);
      seen.set(sources, known).set(text, known);
    }
    return { ...port, sources: known };
  });
}

const inUse = (port: number, { name, id }: Service, how: string): RegistryError =>
  new RegistryError(
    "conflict",
    `port '${port}' is already in use by service '${name}' (${brief(id)}) as ${how}`,
    "ports",
  );
