/** Endpoints of tasks and containers: on which network, with which addresses. */
import { brief } from "../model/quote.ts";
import type { Endpoint, Service } from "../model/types.ts";
import type { AddressPool } from "./address-pool.ts";
import { RegistryError, within } from "./error.ts";
import { checkAliases, checkName } from "./names.ts";
import type { State } from "./state.ts";
import type { Step } from "./step.ts";
import type { Undo } from "./undo.ts";

const EXHAUSTED = "could not find an available IP";

/**
 * The endpoints with every address filled in: what is left out stays what it was on that network, else is allocated. The
 * addresses of `before` are given back first, so that an object may keep or swap its own.
 */
export function takeEndpoints(
  step: Step,
  owner: string,
  endpoints: readonly Endpoint[],
  before: readonly Endpoint[],
): Endpoint[] {
  const { state, undo } = step;
  releaseEndpoints(state, undo, before);
  const seen = new Set<string>();
  return endpoints.map((endpoint, i) => {
    try {
      return takeEndpoint(step, owner, endpoint, before, seen);
    } catch (error) {
      throw within(`endpoints[${i}]`, error);
    }
  });
}

function takeEndpoint(
  step: Step,
  owner: string,
  endpoint: Endpoint,
  before: readonly Endpoint[],
  seen: Set<string>,
): Endpoint {
  const { network, aliases, links } = endpoint;
  const pool = poolOf(step.state, owner, network);
  if (seen.has(network)) throw twice(step.state, owner, network);
  seen.add(network);
  checkAliases(owner, aliases);
  for (const [i, { alias, target }] of links.entries()) {
    checkName(owner, alias, `links[${i}].alias`);
    checkName(owner, target, `links[${i}].target`);
  }
  const old = before.find((e) => e.network === network);
  const ip4 = takeAddress(pool, step, owner, 4, "ip4", endpoint.ip4 ?? old?.ip4, EXHAUSTED);
  const ip6 = takeAddress(pool, step, owner, 6, "ip6", endpoint.ip6 ?? old?.ip6, EXHAUSTED);
  return withAddresses(endpoint, ip4, ip6);
}

/** The address for one field of an object, if it is given or the network has addresses of the family. */
export function takeAddress(
  pool: AddressPool,
  step: Step,
  owner: string,
  family: 4 | 6,
  field: string,
  address: string | undefined,
  exhausted: string,
): string | undefined {
  if (address === undefined && !pool.has(family)) return undefined;
  try {
    return pool.take(owner, family, address, step, `${owner}: ${exhausted}`);
  } catch (error) {
    throw within(field, error);
  }
}

const withAddresses = (endpoint: Endpoint, ip4: string | undefined, ip6: string | undefined): Endpoint => {
  const filled: { -readonly [K in keyof Endpoint]: Endpoint[K] } = { ...endpoint };
  if (ip4 !== undefined) filled.ip4 = ip4;
  if (ip6 !== undefined) filled.ip6 = ip6;
  return filled;
};

export function releaseEndpoints(state: State, undo: Undo, endpoints: readonly Endpoint[]): void {
  for (const { network, ip4, ip6 } of endpoints) {
    const pool = state.pools.get(network);
    if (ip4 !== undefined) pool?.release(ip4, undo);
    if (ip6 !== undefined) pool?.release(ip6, undo);
  }
}

export function poolOf(state: State, owner: string, network: string): AddressPool {
  const pool = state.pools.get(network);
  if (pool === undefined)
    throw new RegistryError("unknown", `${owner}: there is no network "${brief(network)}"`, "network");
  return pool;
}

export const twice = (state: State, owner: string, network: string): RegistryError =>
  new RegistryError("invalid", `${owner} is on network ${nameOf(state, network)} twice`, "network");

export const nameOf = (state: State, network: string): string => brief(state.networks.get(network)?.name ?? network);

/** A task may be on its service's networks and on the routing mesh. */
export const onNetwork = (state: State, service: Service, network: string): boolean =>
  service.networks.some((n) => n.network === network) || state.networks.get(network)?.ingress === true;
