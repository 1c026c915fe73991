/** What one sandbox's lookups need beside the zones: networks in order, links, where to forward. */
import { parseCidr } from "../model/address.ts";
import { isServable, nameKey } from "../model/name.ts";
import type { Endpoint, Found, Network, ReadonlyState, Sandbox, Upstream } from "../model/types.ts";
import type { ScopeSpec } from "./patch.ts";
import type { Policy } from "./policy.ts";
import { precedence } from "./precedence.ts";
import { subnetText } from "./reverse.ts";

/** `found` is what the sandbox's own resolv.conf says. */
export function scopeSpec(sandbox: Sandbox, state: ReadonlyState, policy: Policy, found?: Found): ScopeSpec {
  const endpoints = endpointsOf(sandbox, state);
  const attached = precedence(endpoints, state);
  const networks = endpoints.map((e) => state.networks.get(e.network)).filter((n) => n !== undefined);
  const internal = networks.length > 0 && networks.every((n) => n.internal);
  return {
    id: sandbox.id,
    zones: attached.map((a) => a.network.id),
    links: attached.flatMap(({ endpoint, network }) =>
      endpoint.links
        .filter((l) => isServable(l.alias) && isServable(l.target))
        .map((l) => ({ zone: network.id, alias: nameKey(l.alias), target: nameKey(l.target) })),
    ),
    upstreams: internal
      ? []
      : upstreamsOf(
          sandbox,
          attached.map((a) => a.network),
          found?.upstreams ?? [],
          policy.upstreams,
        ),
    internal,
    ndots: sandbox.ndots !== undefined || (found?.ndots ?? policy.ndots),
    subnets: policy.compat === "docker" ? NONE : subnetsOf(networks),
    compat: policy.compat,
  };
}

const NONE: readonly string[] = [];

/** One copy for all sandboxes of a network, when it is their only one. */
function subnetsOf(networks: readonly Network[]): readonly string[] {
  const all = networks.map((network) => {
    const known = subnetCache.get(network);
    if (known !== undefined) return known;
    const subnets = network.subnets.map((s) => parseCidr(s.cidr)).filter((c) => c !== undefined);
    const texts = subnets.map(({ bits, base }) => subnetText(bits, base));
    subnetCache.set(network, texts);
    return texts;
  });
  return all.length === 1 ? all[0]! : all.flat();
}

const subnetCache = new WeakMap<Network, readonly string[]>();

function endpointsOf({ member }: Sandbox, state: ReadonlyState): readonly Endpoint[] {
  const found = member.kind === "task" ? state.tasks.get(member.id) : state.containers.get(member.id);
  return found?.endpoints ?? [];
}

/**
 * Servers for a suffix (split DNS) add up: the sandbox's, its networks', its file's, the node's. Servers for everything come
 * from the first of these that has any, and a sandbox that says "none" gets none.
 */
function upstreamsOf(
  sandbox: Sandbox,
  networks: readonly Network[],
  found: readonly Upstream[],
  node: readonly Upstream[],
): Upstream[] {
  const levels = [sandbox.upstreams ?? [], networks.flatMap((n) => n.upstreams ?? []), found, node];
  const general = (list: readonly Upstream[]) => list.filter((u) => u.domains === undefined);
  const forAll = sandbox.upstreams?.length === 0 ? [] : (levels.map(general).find((l) => l.length > 0) ?? []);
  const bySuffix = sandbox.upstreams?.length === 0 ? [] : levels.flat().filter((u) => u.domains !== undefined);
  const all = [...bySuffix, ...forAll];
  const { netns } = sandbox;
  return netns === undefined ? all : all.map((u) => (u.host ? u : { ...u, netns }));
}
