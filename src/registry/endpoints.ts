/** Endpoints of tasks and containers: on which network, with which addresses. */
import type { Endpoint, Service } from "../model/types.ts";
import type { AddressPool } from "./address-pool.ts";
import { RegistryError } from "./error.ts";
import { checkNames } from "./names.ts";
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
  return endpoints.map((endpoint) => {
    const { network } = endpoint;
    const pool = poolOf(state, owner, network);
    if (seen.has(network)) throw new RegistryError("invalid", `${owner} is on network ${nameOf(state, network)} twice`);
    seen.add(network);
    checkNames(owner, [...endpoint.aliases, ...endpoint.links.flatMap((l) => [l.alias, l.target])]);
    const old = before.find((e) => e.network === network);
    const take = (family: 4 | 6, address: string | undefined) =>
      pool.has(family) || address !== undefined
        ? pool.take(owner, family, address, step, `${owner}: ${EXHAUSTED}`)
        : undefined;
    const ip4 = take(4, endpoint.ip4 ?? old?.ip4);
    const ip6 = take(6, endpoint.ip6 ?? old?.ip6);
    return withAddresses(endpoint, ip4, ip6);
  });
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
  if (pool === undefined) throw new RegistryError("unknown", `${owner}: there is no network "${network}"`);
  return pool;
}

export const nameOf = (state: State, network: string): string => state.networks.get(network)?.name ?? network;

/** A task may be on its service's networks and on the routing mesh. */
export const onNetwork = (state: State, service: Service, network: string): boolean =>
  service.networks.some((n) => n.network === network) || state.networks.get(network)?.ingress === true;
