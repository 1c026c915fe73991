/** One sandbox's view: which of its networks answers for a name. Docker's order, but folded case and no leaks. */
import type { SandboxId, Upstream } from "../model/types.ts";
import { TYPE_A, TYPE_AAAA, TYPE_ANY } from "../wire/constants.ts";
import type { RRSet } from "../wire/rrset.ts";
import { BLOCKED, FORWARD, NODATA, NXDOMAIN, type Outcome } from "./outcome.ts";
import type { ScopeSpec } from "./patch.ts";
import { minimalAny, specialName } from "./special.ts";

/** The records of one name in one network. `others` holds what is neither A nor AAAA. */
export interface Entry {
  readonly a: RRSet | undefined;
  readonly aaaa: RRSet | undefined;
  readonly others: readonly RRSet[] | undefined;
  /** A service's name: `<slot>.name` and `_port._tcp.name` below it are ours, too. */
  readonly service: boolean;
}

/** The names of one network. */
export interface Zone {
  /** Key of the network's own name; `name.network` ends with it. */
  suffix: string;
  readonly names: Map<string, Entry>;
  /** How many names start with a "*" label: none, and the wildcard walk is skipped. */
  wildcards: number;
}

/** A zone as one sandbox sees it. */
export interface View {
  readonly zone: Zone;
  /** Private aliases (links): key to the key it stands for. */
  readonly links: ReadonlyMap<string, string> | undefined;
}

export class Scope {
  readonly id: SandboxId;
  readonly upstreams: readonly Upstream[];
  readonly internal: boolean;
  readonly #views: readonly View[];
  readonly #ndots: boolean;

  /** `views` in order of precedence. */
  constructor(views: readonly View[], options: Pick<ScopeSpec, "id" | "upstreams" | "internal" | "ndots">) {
    this.#views = views;
    this.id = options.id;
    this.upstreams = options.upstreams;
    this.internal = options.internal;
    this.#ndots = options.ndots;
  }

  /** `key` as `nameKey` makes it. The first network that knows the name answers, whatever types it has (moby 28+). */
  lookup(key: string, type: number): Outcome {
    const entry = this.#find(key) ?? this.#wildcard(key);
    return entry === undefined ? this.#unknown(key, type) : ofType(entry, type);
  }

  /**
   * The name as it stands, on each network in turn; then `name.network`, shortest network name first. A key holds its
   * label lengths, so a suffix that matches in the middle of a label leaves a prefix that is no name.
   */
  #find(key: string): Entry | undefined {
    const views = this.#views;
    for (let i = 0; i < views.length; i++) {
      const { links, zone } = views[i]!;
      const target = links?.get(key);
      if (target !== undefined) {
        const entry = zone.names.get(target);
        if (entry !== undefined) return entry;
      }
    }
    for (let i = 0; i < views.length; i++) {
      const entry = views[i]!.zone.names.get(key);
      if (entry !== undefined) return entry;
    }
    if (key.length === key.charCodeAt(0) + 1) return undefined; // a single label has no network part
    return this.#qualified(key, exactly);
  }

  /** The entry that `search` finds for the part in front of a network's name. Several may match: the shortest wins. */
  #qualified(key: string, search: (zone: Zone, key: string) => Entry | undefined): Entry | undefined {
    let found: Entry | undefined;
    let shortest = Number.POSITIVE_INFINITY;
    for (const { links, zone } of this.#views) {
      const { suffix } = zone;
      if (suffix.length >= key.length || suffix.length >= shortest || !key.endsWith(suffix)) continue;
      const name = key.slice(0, -suffix.length);
      const entry = search(zone, links?.get(name) ?? name) ?? search(zone, name);
      if (entry === undefined) continue;
      found = entry;
      shortest = suffix.length;
    }
    return found;
  }

  #wildcard(key: string): Entry | undefined {
    let any = false;
    for (const { zone } of this.#views) {
      if (zone.wildcards === 0) continue;
      any = true;
      const entry = byWildcard(zone, key);
      if (entry !== undefined) return entry;
    }
    return any ? this.#qualified(key, byWildcard) : undefined;
  }

  #unknown(key: string, type: number): Outcome {
    const special = specialName(key, type);
    if (special !== undefined) return special;
    if (this.#belowService(key)) return NXDOMAIN;
    if (this.internal) return BLOCKED;
    const single = key.length > 0 && key.length === key.charCodeAt(0) + 1;
    if (this.#ndots && single && (type === TYPE_A || type === TYPE_AAAA)) return NODATA;
    return FORWARD;
  }

  /** `9.web` or `_x._tcp.web` where `web` is a service: nobody outside can know them, so nobody outside is asked. */
  #belowService(key: string): boolean {
    const first = key.charCodeAt(1);
    if (first === UNDERSCORE) {
      const second = key.charCodeAt(0) + 1;
      const third = second + key.charCodeAt(second) + 1;
      return (
        key.charCodeAt(second + 1) === UNDERSCORE &&
        third < key.length &&
        this.#find(key.slice(third))?.service === true
      );
    }
    const label = key.slice(1, key.charCodeAt(0) + 1);
    return (
      first >= 48 && first <= 57 && /^\d+$/.test(label) && this.#find(key.slice(label.length + 1))?.service === true
    );
  }
}

const UNDERSCORE = 95;

function ofType(entry: Entry, type: number): Outcome {
  if (type === TYPE_A) return entry.a ?? NODATA;
  if (type === TYPE_AAAA) return entry.aaaa ?? NODATA;
  if (type === TYPE_ANY) return minimalAny;
  if (entry.others !== undefined) for (const set of entry.others) if (set.type === type) return set;
  return NODATA;
}

const exactly = (zone: Zone, key: string): Entry | undefined => zone.names.get(key);

/** RFC 4592: the wildcard directly below the closest ancestor that exists; an existing ancestor without one ends the search. */
function byWildcard(zone: Zone, key: string): Entry | undefined {
  if (zone.wildcards === 0) return undefined;
  for (let rest = key; rest.length > 0; ) {
    rest = rest.slice(rest.charCodeAt(0) + 1);
    const entry = zone.names.get(`\x01*${rest}`);
    if (entry !== undefined) return entry;
    if (rest.length > 0 && zone.names.has(rest)) return undefined;
  }
  return undefined;
}
