/**
 * Who gets a port of the host, and which ports are one range: the same for the same services and tasks, whatever came first. A cluster's
 * ports on the mesh are each one service's; in host mode several may ask for the same one, and then tasks of two of them may meet on a node.
 */
import type { ServiceId } from "../../model/types.ts";
import { entryKey } from "../entries.ts";
import { joinedPublished } from "../port-ranges.ts";
import type { PublishedPort } from "../state.ts";

/** A port with who asks for it. */
export interface WantedPort {
  readonly port: PublishedPort;
  readonly service: ServiceId;
  /** Lower ones go first; of equal ones of two services, that with the lower id; of one service's, the first. */
  readonly rank: number;
}

/** `wanted`: the ports of a service one after the other. */
export function hostPorts(wanted: readonly WantedPort[]): readonly PublishedPort[] {
  const had = haveTheirs(wanted);
  const ports: PublishedPort[] = [];
  for (let at = 0; at < had.length; ) {
    const { service, port } = had[at]!;
    let end = at + 1;
    while (had[end]?.service === service) end++;
    // Not beyond a service: which one's ports are listed next to it is not the same every time.
    if (end === at + 1) ports.push(port);
    else ports.push(...joinedPublished(had.slice(at, end).map(({ port }) => port)));
    at = end;
  }
  return ports;
}

function haveTheirs(wanted: readonly WantedPort[]): readonly WantedPort[] {
  const first = new Map<string, WantedPort>();
  for (const one of wanted) {
    const key = entryKey.published(one.port);
    const other = first.get(key);
    if (other === undefined || goesBefore(one, other)) first.set(key, one);
  }
  if (first.size === wanted.length) return wanted;
  const had = new Set(first.values());
  return wanted.filter((one) => had.has(one));
}

const goesBefore = (one: WantedPort, other: WantedPort): boolean =>
  one.rank === other.rank ? one.service < other.service : one.rank < other.rank;
