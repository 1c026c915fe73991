/** The data plane's copy of all zones and scopes. Filled by patches only, so that a worker thread can hold one. */
import type { NetworkId, SandboxId } from "../model/types.ts";
import { TYPE_A, TYPE_AAAA } from "../wire/constants.ts";
import type { RRSet } from "../wire/rrset.ts";
import { GONE, SAME, type ScopePatch, type ScopeSpec, SERVICE } from "./patch.ts";
import { type Entry, Scope, type View, type Zone } from "./scope.ts";

export class Tables {
  revision = 0;
  readonly #zones = new Map<NetworkId, Zone>();
  readonly #scopes = new Map<SandboxId, Scope>();

  scope(id: SandboxId): Scope | undefined {
    return this.#scopes.get(id);
  }

  /** Brings the tables to the patch's revision. Answers see either all of it or nothing: no query runs in between. */
  apply(patch: ScopePatch): void {
    this.#applyNames(patch.names);
    for (const { id, suffix } of patch.zones) {
      if (suffix === undefined) this.#zones.delete(id);
      else this.#zone(id).suffix = suffix;
    }
    for (const id of patch.removedScopes) this.#scopes.delete(id);
    for (const spec of patch.scopes) this.#scopes.set(spec.id, this.#build(spec));
    this.revision = patch.revision;
  }

  #applyNames(names: ScopePatch["names"]): void {
    let before: Entry = NOTHING;
    for (let i = 0; i < names.length; ) {
      const zone = this.#zone(names[i++] as string);
      const key = names[i++] as string;
      const n = names[i++] as number;
      if (n === GONE) {
        if (!zone.names.delete(key)) continue;
        if (isWildcard(key)) zone.wildcards--;
        if (zone.above !== undefined) count(zone.above, key, -1);
        continue;
      }
      if (n !== SAME) {
        before = readEntry(names, i, n);
        i += (n & ~SERVICE) * 5;
      }
      if (!zone.names.has(key)) {
        if (isWildcard(key)) zone.wildcards++;
        if (zone.above !== undefined) count(zone.above, key, 1);
      }
      zone.names.set(key, before);
    }
  }

  #zone(id: NetworkId): Zone {
    let zone = this.#zones.get(id);
    if (zone === undefined) {
      zone = { suffix: "", names: new Map(), wildcards: 0, above: undefined };
      this.#zones.set(id, zone);
    }
    return zone;
  }

  #build(spec: ScopeSpec): Scope {
    const views = spec.zones.map((id): View => {
      const links = spec.links.filter((l) => l.zone === id);
      const zone = this.#zone(id);
      if (spec.internal) zone.above ??= namesAbove(zone);
      return {
        zone,
        links: links.length > 0 ? new Map(links.map((l) => [l.alias, l.target])) : undefined,
      };
    });
    return new Scope(views, spec);
  }
}

const NOTHING: Entry = { a: undefined, aaaa: undefined, others: undefined, service: false };

const isWildcard = (key: string): boolean => key.startsWith("\x01*");

/** Made when the first sandbox needs it that nothing leaves: elsewhere upstreams say what exists, and it costs memory. */
function namesAbove({ names }: Zone): Map<string, number> {
  const above = new Map<string, number>();
  for (const key of names.keys()) count(above, key, 1);
  return above;
}

function count(above: Map<string, number>, key: string, by: 1 | -1): void {
  for (let at = key.charCodeAt(0) + 1; at < key.length; at += key.charCodeAt(at) + 1) {
    const rest = key.slice(at);
    const names = (above.get(rest) ?? 0) + by;
    if (names === 0) above.delete(rest);
    else above.set(rest, names);
  }
}

function readEntry(names: ScopePatch["names"], from: number, n: number): Entry {
  let a: RRSet | undefined;
  let aaaa: RRSet | undefined;
  let others: RRSet[] | undefined;
  const end = from + (n & ~SERVICE) * 5;
  for (let i = from; i < end; i += 5) {
    const set: RRSet = {
      type: names[i] as number,
      ttl: names[i + 1] as number,
      count: names[i + 2] as number,
      size: names[i + 3] as number,
      data: names[i + 4] as string,
    };
    if (set.type === TYPE_A) a = set;
    else if (set.type === TYPE_AAAA) aaaa = set;
    else if (others === undefined) others = [set];
    else others.push(set);
  }
  return { a, aaaa, others, service: (n & SERVICE) !== 0 };
}
