/**
 * State into patches. Every object's claims are kept; when an object changes, its claims are made anew and only the names
 * that differ are combined again. So a patch is what the whole would compile to, whatever the order things came in.
 */
import { isServable, nameKey } from "../model/name.ts";
import type { Found, NetworkId, ReadonlyState, Sandbox, SandboxId, Touched, Upstream } from "../model/types.ts";
import { type RRSet, rdataOf, rrset } from "../wire/rrset.ts";
import { type Claim, containerClaims, serviceClaims, taskClaims } from "./claims.ts";
import { type FlatNames, NamesWriter } from "./flat-names.ts";
import type { ScopePatch, ScopeSpec, ZoneSpec } from "./patch.ts";
import { DEFAULT_POLICY, type Policy } from "./policy.ts";
import { scopeSpec } from "./scope-spec.ts";

export class Compiler {
  #policy: Policy;
  /** By owner: what it claims now. */
  readonly #claims: Record<Kind, Map<string, readonly Claim[]>> = {
    service: new Map(),
    task: new Map(),
    container: new Map(),
  };
  /** By network and key: all who claim the name. One claimant is the rule, so it stands without an array. */
  readonly #claimants = new Map<NetworkId, Map<string, Claim | Claim[]>>();
  readonly #zones = new Map<NetworkId, string>();
  /** By member ("task:…"): the sandboxes to look at again when it changes. */
  readonly #sandboxesOf = new Map<string, Set<SandboxId>>();
  readonly #memberOf = new Map<SandboxId, string>();
  /** What a sandbox's own resolv.conf says. */
  readonly #foundOf = new Map<SandboxId, Found>();

  constructor(policy: Policy = DEFAULT_POLICY) {
    this.#policy = policy;
  }

  /** The patch that brings tables to `state`, given that they were compiled to the state before `touched`. */
  compile(state: ReadonlyState, touched: Touched | "all"): ScopePatch {
    const dirty = new Dirty();
    const t = touched === "all" ? everything(state) : this.#widened(state, touched);
    const zones = this.#compileZones(state, t.networks);
    for (const id of t.services) {
      const service = state.services.get(id);
      this.#claim("service", id, service ? serviceClaims(service, state, this.#policy) : NONE, dirty);
    }
    for (const id of t.tasks) {
      const task = state.tasks.get(id);
      this.#claim("task", id, task ? taskClaims(task, state, this.#policy) : NONE, dirty);
    }
    for (const id of t.containers) {
      const container = state.containers.get(id);
      this.#claim("container", id, container ? containerClaims(container, state, this.#policy) : NONE, dirty);
    }
    return { revision: state.revision, names: this.#emit(dirty), zones, ...this.#compileScopes(state, t) };
  }

  /** The node's own. */
  get upstreams(): readonly Upstream[] {
    return this.#policy.upstreams;
  }

  /** What sandboxes' own resolv.conf say. */
  get found(): ReadonlyMap<SandboxId, Found> {
    return this.#foundOf;
  }

  /** Who claims the name on this network, and what each says of it. Looks through everything: for people who ask why. */
  claimants(network: NetworkId, key: string): Claimant[] {
    const found = this.#claimants.get(network)?.get(key);
    if (found === undefined) return [];
    const wanted = new Set(Array.isArray(found) ? found : [found]);
    const claimants: Claimant[] = [];
    for (const kind of ["service", "task", "container"] as const)
      for (const [id, claims] of this.#claims[kind]) {
        const its = claims.filter((claim) => wanted.has(claim));
        if (its.length > 0) claimants.push({ kind, id, records: its.flatMap((claim) => claim.records) });
      }
    return claimants;
  }

  /** The patch after the node's upstreams changed: for sandboxes that have none of their own and none from their networks. */
  changeUpstreams(state: ReadonlyState, { upstreams, ndots }: Found): ScopePatch {
    this.#policy = { ...this.#policy, upstreams, ndots };
    return { ...nothing(state), scopes: this.#allScopes(state) };
  }

  /** The patch after a sandbox's resolv.conf was read: its upstreams come before the node's, and behind the sandbox's and its networks'. */
  changeSandboxUpstreams(state: ReadonlyState, id: SandboxId, found: Found | undefined): ScopePatch {
    if (found === undefined) this.#foundOf.delete(id);
    else this.#foundOf.set(id, found);
    const sandbox = state.sandboxes.get(id);
    return { ...nothing(state), scopes: sandbox === undefined ? [] : [this.#scope(sandbox, state)] };
  }

  #allScopes(state: ReadonlyState): ScopeSpec[] {
    return [...state.sandboxes.values()].map((s) => this.#scope(s, state));
  }

  #scope(sandbox: Sandbox, state: ReadonlyState): ScopeSpec {
    return scopeSpec(sandbox, state, this.#policy, this.#foundOf.get(sandbox.id));
  }

  /** Adds what depends on what was touched: a service's mode and aliases are in its tasks' claims, a network's name and TTL in everybody's. */
  #widened(state: ReadonlyState, touched: Touched): Touched {
    if (touched.networks.size === 0 && touched.services.size === 0) return touched;
    const services = new Set(touched.services);
    const tasks = new Set(touched.tasks);
    const containers = new Set(touched.containers);
    if (touched.networks.size > 0) {
      const on = (list: readonly { network: NetworkId }[]) => list.some((e) => touched.networks.has(e.network));
      for (const s of state.services.values()) if (on(s.networks)) services.add(s.id);
      for (const c of state.containers.values()) if (on(c.endpoints)) containers.add(c.id);
    }
    for (const id of services) for (const task of state.tasksOf.get(id) ?? []) tasks.add(task);
    return { ...touched, services, tasks, containers };
  }

  #compileZones(state: ReadonlyState, networks: Iterable<NetworkId>): ZoneSpec[] {
    const zones: ZoneSpec[] = [];
    for (const id of networks) {
      const network = state.networks.get(id);
      const suffix = network && (isServable(network.name) ? nameKey(network.name) : "");
      if (suffix === this.#zones.get(id)) continue;
      zones.push({ id, suffix });
      if (suffix === undefined) this.#zones.delete(id);
      else this.#zones.set(id, suffix);
    }
    return zones;
  }

  #claim(kind: Kind, owner: string, claims: readonly Claim[], dirty: Dirty): void {
    const before = this.#claims[kind].get(owner) ?? NONE;
    if (sameClaims(before, claims)) return;
    for (const claim of before) for (const key of claim.keys) this.#drop(claim, key, dirty);
    for (const claim of claims) for (const key of claim.keys) this.#add(claim, key, dirty);
    if (claims.length > 0) this.#claims[kind].set(owner, claims);
    else this.#claims[kind].delete(owner);
  }

  #add(claim: Claim, key: string, dirty: Dirty): void {
    let names = this.#claimants.get(claim.network);
    if (names === undefined) {
      names = new Map();
      this.#claimants.set(claim.network, names);
    }
    const others = names.get(key);
    if (others === undefined) names.set(key, claim);
    else if (Array.isArray(others)) others.push(claim);
    else names.set(key, [others, claim]);
    dirty.add(claim.network, key);
  }

  #drop(claim: Claim, key: string, dirty: Dirty): void {
    const names = this.#claimants.get(claim.network)!;
    const claimants = names.get(key)!;
    if (Array.isArray(claimants)) {
      const left = claimants.filter((c) => c !== claim);
      names.set(key, left.length === 1 ? left[0]! : left);
    } else names.delete(key);
    dirty.add(claim.network, key);
  }

  #emit(dirty: Dirty): FlatNames {
    const out = new NamesWriter();
    let before: Claim | undefined;
    for (const [network, keys] of dirty.names) {
      const names = this.#claimants.get(network);
      for (const key of keys) {
        const claimants = names?.get(key);
        if (claimants === undefined) out.gone(network, key);
        else if (claimants === before) out.same(network, key);
        else {
          writeRecords(out, network, key, claimants);
          before = Array.isArray(claimants) ? undefined : claimants;
        }
      }
    }
    return out.names;
  }

  #compileScopes(state: ReadonlyState, t: Touched): Pick<ScopePatch, "scopes" | "removedScopes"> {
    const again = new Set(t.networks.size > 0 ? state.sandboxes.keys() : t.sandboxes);
    for (const id of t.sandboxes) again.add(id);
    for (const id of t.tasks) this.#addSandboxesOf(`task:${id}`, again);
    for (const id of t.containers) this.#addSandboxesOf(`container:${id}`, again);
    const scopes: ScopeSpec[] = [];
    const removedScopes: SandboxId[] = [];
    for (const id of again) {
      const sandbox = state.sandboxes.get(id);
      this.#remember(id, sandbox && `${sandbox.member.kind}:${sandbox.member.id}`);
      if (sandbox === undefined) removedScopes.push(id);
      else scopes.push(this.#scope(sandbox, state));
    }
    return { scopes, removedScopes };
  }

  #addSandboxesOf(member: string, to: Set<SandboxId>): void {
    for (const sandbox of this.#sandboxesOf.get(member) ?? NO_IDS) to.add(sandbox);
  }

  #remember(sandbox: SandboxId, member: string | undefined): void {
    const before = this.#memberOf.get(sandbox);
    if (before === member) return;
    if (before !== undefined) this.#sandboxesOf.get(before)?.delete(sandbox);
    if (member === undefined) this.#memberOf.delete(sandbox);
    else {
      this.#memberOf.set(sandbox, member);
      const all = this.#sandboxesOf.get(member);
      if (all === undefined) this.#sandboxesOf.set(member, new Set([sandbox]));
      else all.add(sandbox);
    }
  }
}

type Kind = "service" | "task" | "container";

/** Who says something of a name. */
export interface Claimant {
  readonly kind: Kind;
  readonly id: string;
  readonly records: readonly RRSet[];
}

const NONE: readonly Claim[] = [];
const NO_IDS: readonly SandboxId[] = [];

/** Names to combine again, each once, in the order they were met: names of one claim stay side by side. */
class Dirty {
  readonly names = new Map<NetworkId, Set<string>>();

  add(network: NetworkId, key: string): void {
    const keys = this.names.get(network);
    if (keys === undefined) this.names.set(network, new Set([key]));
    else keys.add(key);
  }
}

const nothing = ({ revision }: ReadonlyState): ScopePatch => ({
  revision,
  names: [],
  zones: [],
  scopes: [],
  removedScopes: [],
});

const everything = (state: ReadonlyState): Touched => ({
  networks: new Set(state.networks.keys()),
  services: new Set(state.services.keys()),
  tasks: new Set(state.tasks.keys()),
  containers: new Set(state.containers.keys()),
  sandboxes: new Set(state.sandboxes.keys()),
  tasksOf: new Set(state.tasksOf.keys()),
});

/**
 * All claims on a name become its RRsets: the union by type, each rdata once, in order of rdata, at the smallest TTL
 * (an RRset has one: RFC 2181 5.2). One claim is the rule, and its sets go out as they are.
 */
function writeRecords(out: NamesWriter, network: NetworkId, key: string, claims: Claim | readonly Claim[]): void {
  const one = !Array.isArray(claims);
  const sets = one ? (claims as Claim).records : joined(claims.flatMap((c) => c.records));
  const service = one ? (claims as Claim).service : (claims as Claim[]).some((c) => c.service);
  out.records(network, key, sets, service);
}

function joined(sets: readonly RRSet[]): RRSet[] {
  const first = sets[0]?.type;
  if (sets.every(({ type }) => type === first)) return sets.length === 0 ? [] : [united(sets)];
  return [...new Set(sets.map(({ type }) => type))].map((type) => united(sets.filter((set) => set.type === type)));
}

/** Of one type. */
function united(sets: readonly RRSet[]): RRSet {
  const all = new Set<string>();
  let ttl = Number.POSITIVE_INFINITY;
  for (const set of sets) {
    ttl = Math.min(ttl, set.ttl);
    for (const rdata of rdataOf(set)) all.add(rdata);
  }
  return rrset(sets[0]!.type, ttl, [...all].sort());
}

function sameClaims(a: readonly Claim[], b: readonly Claim[]): boolean {
  return a.length === b.length && a.every((claim, i) => sameClaim(claim, b[i]!));
}

function sameClaim(a: Claim, b: Claim): boolean {
  return (
    a.network === b.network &&
    a.service === b.service &&
    a.keys.length === b.keys.length &&
    a.records.length === b.records.length &&
    a.keys.every((key, i) => key === b.keys[i]) &&
    a.records.every(
      (r, i) => r.type === b.records[i]!.type && r.ttl === b.records[i]!.ttl && r.data === b.records[i]!.data,
    )
  );
}
