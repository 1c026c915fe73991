/** What services have been asked, and what that carried, all namespaces together. */
import type { NetworkId, ReadonlyState, ServiceId } from "../../model/types.ts";
import { type LbBackend, LbError, type Taken } from "../backends/backend.ts";
import { readKey } from "../server-key.ts";
import type { LbTarget } from "../state.ts";

export interface Traffic {
  readonly service: ServiceId;
  readonly network: NetworkId;
  /** Those through its VIP or its published ports on this network, since its rules were made. */
  readonly connections: number;
  /** Of these, both ways together, as the kernel handles them: what it cuts for the wire later, or has put together, is one. */
  readonly packets: number;
  /** Octets of these, with their headers from IP on. */
  readonly bytes: number;
}

/** Of services that there are. A namespace that can't be read counts for nothing. */
export async function traffic(
  backend: LbBackend,
  targets: Iterable<LbTarget>,
  state: ReadonlyState,
): Promise<readonly Traffic[]> {
  const sums = new Map<string, Traffic>();
  for (const target of targets)
    for (const [key, more] of await taken(backend, target)) {
      const [service, network] = placeOf(key, state);
      if (service === undefined || network === undefined) continue;
      const place = JSON.stringify([service, network]);
      sums.set(place, { service, network, ...sum(sums.get(place) ?? NOTHING, more) });
    }
  return [...sums.values()];
}

const NOTHING: Taken = { connections: 0, packets: 0, bytes: 0 };

const sum = (a: Taken, b: Taken): Taken => ({
  connections: a.connections + b.connections,
  packets: a.packets + b.packets,
  bytes: a.bytes + b.bytes,
});

async function taken(backend: LbBackend, target: LbTarget): Promise<Iterable<readonly [string, Taken]>> {
  try {
    return (await backend.taken?.(target)) ?? [];
  } catch (error) {
    if (error instanceof LbError) return [];
    throw error;
  }
}

function placeOf(key: string, { services, networks }: ReadonlyState): [ServiceId?, NetworkId?] {
  const place = readKey(key);
  return place && services.has(place.service) && networks.has(place.network) ? [place.service, place.network] : [];
}
