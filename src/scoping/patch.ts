/** What compile hands to the data plane: the difference between two revisions, as plain data that crosses to worker threads. */
import type { NetworkId, SandboxId, Upstream } from "../model/types.ts";
import { type FlatNames, partsOf } from "./flat-names.ts";

export interface ScopePatch {
  readonly revision: number;
  readonly names: FlatNames;
  /** Networks that came, changed their name, or went (suffix undefined). */
  readonly zones: readonly ZoneSpec[];
  readonly scopes: readonly ScopeSpec[];
  readonly removedScopes: readonly SandboxId[];
}

export interface ZoneSpec {
  readonly id: NetworkId;
  /** Key of the network's name: what `name.network` ends with. Empty if DNS has no form for the name. */
  readonly suffix: string | undefined;
}

/** Everything a sandbox's lookups need beside the zones. */
export interface ScopeSpec {
  readonly id: SandboxId;
  /** The networks it is on, in order of precedence. */
  readonly zones: readonly NetworkId[];
  readonly links: readonly LinkSpec[];
  readonly upstreams: readonly Upstream[];
  /** Nothing is forwarded, ever. */
  readonly internal: boolean;
  /** An explicit ndots option: unknown single-label A/AAAA are NODATA, not forwarded. */
  readonly ndots: boolean;
  /** The subnets of its networks, as `subnetText` writes them: we answer for their reverse zones. Empty with `compat: docker`. */
  readonly subnets: readonly string[];
  /** "docker": whatever no network knows is forwarded, but for a few names that mean this host or nothing. */
  readonly compat: "none" | "docker";
}

export interface LinkSpec {
  readonly zone: NetworkId;
  readonly alias: string;
  readonly target: string;
}

/** Elements of names in one part: about a millisecond's work for the thread that takes it. */
const MOST = 20_000;

/**
 * The patch itself, or parts of it that are applied in order, so that no batch of packets waits long for one. Zones and scopes, which
 * say who sees the names, come with the last.
 */
export function inParts(patch: ScopePatch, most = MOST): readonly ScopePatch[] {
  if (patch.names.length <= most) return [patch];
  const parts = partsOf(patch.names, most);
  const last = parts.length - 1;
  return parts.map((names, i) => (i === last ? { ...patch, names } : { ...NOTHING, revision: patch.revision, names }));
}

const NOTHING = { zones: [], scopes: [], removedScopes: [] };
