/** One sandbox's view: which of its networks answers for a name. Docker's order, but folded case and no leaks. */
import { nameKey } from "../model/name.ts";
import type { SandboxId, Upstream } from "../model/types.ts";
import { TYPE_A, TYPE_AAAA, TYPE_ANY } from "../wire/constants.ts";
import type { RRSet } from "../wire/rrset.ts";
import { BLOCKED, BLOCKED_ABOVE, FORWARD, NODATA, NXDOMAIN, type Outcome, SEARCH } from "./outcome.ts";
import type { ScopeSpec } from "./patch.ts";
import { PREFIX, readReverse, subnetOf } from "./reverse.ts";
import { minimalAny, specialZone, under } from "./special.ts";

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
  /** Key of the network's own name; `name.network` ends with it. Empty: DNS has no form for it. */
  suffix: string;
  readonly names: Map<string, Entry>;
  /** How many names start with a "*" label. With none, no wildcard is looked for. */
  wildcards: number;
  /** The ancestors of `names`, each with the number of names below it. Kept only where a sandbox needs it that forwards nothing. */
  above: Map<string, number> | undefined;
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
  /** Its networks in order of precedence. */
  readonly views: readonly View[];
  readonly #ndots: boolean;
  readonly #subnets: readonly string[];
  readonly #docker: boolean;
  /** Keys of the domains that have an upstream of their own. */
  readonly #domains: ReadonlySet<string> | undefined;

  constructor(views: readonly View[], options: Omit<ScopeSpec, "zones" | "links">) {
    this.views = views;
    this.id = options.id;
    this.upstreams = options.upstreams;
    this.internal = options.internal;
    this.#ndots = options.ndots;
    this.#subnets = options.subnets;
    this.#docker = options.compat === "docker";
    const domains = options.upstreams.flatMap((u) => u.domains ?? []).map(nameKey);
    this.#domains = domains.length > 0 ? new Set(domains) : undefined;
  }

  /** `key` as `nameKey` makes it. The first network that knows the name answers, whatever types it has (moby 28+). */
  lookup(key: string, type: number): Outcome {
    const entry = this.#find(key) ?? this.#wildcard(key);
    return entry === undefined ? this.#unknown(key, type) : ofType(entry, type);
  }

  /**
   * Where in `key` the zone begins whose SOA belongs into a NODATA or NXDOMAIN of ours: at the closest service at or above the
   * name, where a reverse or special zone begins, else at the name itself, for what is above it may be somebody else's. The
   * key's end is the root.
   */
  apex(key: string): number {
    const reverse = this.#reverseZone(key);
    if (reverse >= 0) return reverse;
    const known = this.#find(key);
    if (known?.service) return 0;
    const special = known === undefined ? specialZone(key) : undefined;
    if (special !== undefined) return special.denied ? key.length : key.length - special.apex.length;
    for (let at = key.charCodeAt(0) + 1; at < key.length; at += key.charCodeAt(at) + 1)
      if (this.#find(key.slice(at))?.service) return at;
    return 0;
  }

  /** True if a network's name, or a name on an internal network, is at or below `key`: NXDOMAIN for it would deny that, too (RFC 8020). */
  isAbove(key: string): boolean {
    if (key.length === 0) return true;
    for (const { zone, links } of this.views) {
      const { suffix, above } = zone;
      if (above?.has(key) || (suffix.length > 0 && under(suffix, key))) return true;
      if (suffix.length > 0 && key.endsWith(suffix) && above?.has(key.slice(0, -suffix.length))) return true;
      if (links !== undefined) for (const alias of links.keys()) if (alias !== key && under(alias, key)) return true;
    }
    return false;
  }

  /**
   * The name as it stands, on each network in turn; then `name.network`, shortest network name first. A key holds its
   * label lengths, so a suffix that matches in the middle of a label leaves a prefix that is no name.
   */
  #find(key: string): Entry | undefined {
    const views = this.views;
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
    for (const { links, zone } of this.views) {
      const { suffix } = zone;
      if (suffix.length === 0 || suffix.length >= key.length || suffix.length >= shortest || !key.endsWith(suffix))
        continue;
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
    for (const { zone } of this.views) {
      if (zone.wildcards === 0) continue;
      any = true;
      const entry = byWildcard(zone, key);
      if (entry !== undefined) return entry;
    }
    return any ? this.#qualified(key, byWildcard) : undefined;
  }

  #unknown(key: string, type: number): Outcome {
    const special = specialZone(key);
    if (special !== undefined && !(special.dockerAsks && this.#docker) && !(special.yields && this.#routed(key)))
      return special.answer(key, type);
    if (this.#reverseZone(key) >= 0) return readReverse(key) === PREFIX ? NODATA : NXDOMAIN;
    if (this.#belowService(key)) return NXDOMAIN;
    if (this.internal) return this.isAbove(key) || isArpa(key) ? BLOCKED_ABOVE : BLOCKED;
    const single = key.length > 0 && key.length === key.charCodeAt(0) + 1;
    if (this.#ndots && single && (type === TYPE_A || type === TYPE_AAAA)) return SEARCH;
    return FORWARD;
  }

  /** Where the reverse zone of one of our subnets begins that `key` is in; -1 if it is in none, or an upstream has it. */
  #reverseZone(key: string): number {
    if (this.#subnets.length === 0 || readReverse(key) === undefined || this.#routed(key)) return -1;
    return subnetOf(key, this.#subnets);
  }

  /** True if there is an upstream for this name in particular. */
  #routed(key: string): boolean {
    if (this.#domains === undefined) return false;
    for (let at = 0; at < key.length; at += key.charCodeAt(at) + 1)
      if (this.#domains.has(at === 0 ? key : key.slice(at))) return true;
    return false;
  }

  /**
   * `9.web` or `_x._tcp.web` where `web` is a service: nobody outside can know them, so nobody outside is asked. That an alias
   * is below one of them (`db.9.web`) is not looked for: it would take an index of all names.
   */
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

/** What reverse zones and resolver.arpa are below. */
const isArpa = (key: string): boolean => key === ARPA || readReverse(key) === PREFIX;

const ARPA = nameKey("arpa");

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
  const wildcard = wildcardFor(zone, key);
  return wildcard === undefined ? undefined : zone.names.get(wildcard);
}

export function wildcardFor(zone: Zone, key: string): string | undefined {
  if (zone.wildcards === 0) return undefined;
  for (let rest = key; rest.length > 0; ) {
    rest = rest.slice(rest.charCodeAt(0) + 1);
    const wildcard = `\x01*${rest}`;
    if (zone.names.has(wildcard)) return wildcard;
    if (rest.length > 0 && zone.names.has(rest)) return undefined;
  }
  return undefined;
}
