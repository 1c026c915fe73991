/** The data plane's copy of all zones and scopes. Filled by patches only, so that a worker thread can hold one. */
import type { NetworkId, SandboxId } from "../model/types.ts";
import { TYPE_A, TYPE_AAAA } from "../wire/constants.ts";
import type { RRSet } from "../wire/rrset.ts";
import { type FlatNames, NamesReader, NamesWriter } from "./flat-names.ts";
import type { ScopePatch, ScopeSpec } from "./patch.ts";
import { type Entry, Scope, type View, type Zone } from "./scope.ts";

export class Tables {
  revision = 0;
  readonly #zones = new Map<NetworkId, Zone>();
  readonly #scopes = new Map<SandboxId, Scope>();
  readonly #specs = new Map<SandboxId, ScopeSpec>();

  scope(id: SandboxId): Scope | undefined {
    return this.#scopes.get(id);
  }

  spec(id: SandboxId): ScopeSpec | undefined {
    return this.#specs.get(id);
  }

  /** Brings the tables to the patch's revision. Answers see either all of it or nothing: no query runs in between. */
  apply(patch: ScopePatch): void {
    this.#applyNames(patch.names);
    for (const { id, suffix } of patch.zones) {
      if (suffix === undefined) this.#zones.delete(id);
      else this.#zone(id).suffix = suffix;
    }
    for (const id of patch.removedScopes) {
      this.#scopes.delete(id);
      this.#specs.delete(id);
    }
    for (const spec of patch.scopes) {
      this.#scopes.set(spec.id, this.#build(spec));
      this.#specs.set(spec.id, spec);
    }
    this.revision = patch.revision;
  }

  /** All that is in force, for tables that are empty. */
  snapshot(): ScopePatch {
    const { revision } = this;
    const zones = [...this.#zones].map(([id, { suffix }]) => ({ id, suffix }));
    return { revision, names: this.#allNames(), zones, scopes: [...this.#specs.values()], removedScopes: [] };
  }

  #allNames(): FlatNames {
    const out = new NamesWriter();
    let before: Entry | undefined;
    for (const [network, { names }] of this.#zones)
      for (const [key, entry] of names) {
        if (entry === before) out.same(network, key);
        else out.records(network, key, setsOf(entry), entry.service);
        before = entry;
      }
    return out.names;
  }

  #applyNames(names: FlatNames): void {
    let entry: Entry = NOTHING;
    const reader = new NamesReader(names);
    while (reader.next()) {
      const zone = this.#zone(reader.network);
      const { key } = reader;
      if (reader.gone) {
        if (zone.names.delete(key)) countName(zone, key, -1);
        continue;
      }
      if (!reader.same) entry = readEntry(reader);
      if (!zone.names.has(key)) countName(zone, key, 1);
      zone.names.set(key, entry);
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

function setsOf({ a, aaaa, others = [] }: Entry): readonly RRSet[] {
  const sets = [...others];
  if (a !== undefined) sets.push(a);
  if (aaaa !== undefined) sets.push(aaaa);
  return sets;
}

/** Counts a name that came (1) or went (-1). */
function countName(zone: Zone, key: string, by: 1 | -1): void {
  if (key.startsWith("\x01*")) zone.wildcards += by;
  if (zone.above !== undefined) count(zone.above, key, by);
}

/** Made when the first sandbox needs it that forwards nothing. For the others it would be memory for nothing: upstreams say what exists. */
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

function readEntry(reader: NamesReader): Entry {
  let a: RRSet | undefined;
  let aaaa: RRSet | undefined;
  let others: RRSet[] | undefined;
  for (let i = 0; i < reader.count; i++) {
    const set = reader.set(i);
    if (set.type === TYPE_A) a = set;
    else if (set.type === TYPE_AAAA) aaaa = set;
    else if (others === undefined) others = [set];
    else others.push(set);
  }
  return { a, aaaa, others, service: reader.service };
}
