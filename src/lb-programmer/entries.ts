/** What the entries of a state are known by, and what must not be in one namespace twice. Pure. */
import { familyOf } from "../model/address.ts";
import { lastOf, sameTexts } from "./port-ranges.ts";
import type { LocalAddress, PortRange, PortRedirect, PublishedPort, Snat, VirtualServer } from "./state.ts";

/** What each kind of entry is known by: the kernel holds at most one entry of each key. */
export const entryKey = {
  address: (a: LocalAddress): string => `${a.address} ${a.device}`,
  snat: (s: Snat): string => s.subnet,
  redirect: (r: PortRedirect): string => `${r.address} ${r.protocol} ${r.published}`,
  published: (p: PublishedPort): string => `${p.protocol} ${p.port} ${familyOf(p.to)}`,
};

export const samePublished = (a: PublishedPort, b: PublishedPort): boolean =>
  a.last === b.last &&
  a.to === b.to &&
  a.toPort === b.toPort &&
  a.bridge === b.bridge &&
  sameTexts(a.sources, b.sources);

/** What a server occupies in a namespace, each as a text: no two servers may have one of these in common. */
export function occupies({ vip, mark, from, ports, keepSource }: VirtualServer): string[] {
  const family = familyOf(vip);
  return [
    `mark ${mark}`,
    ...(keepSource && from === "published" ? [] : [vip]), // however its connections come: a backend refuses them by VIP
    ...ports.flatMap((p) => numbers(p).map((port) => `${p.protocol} ${port} ${family}`)),
  ];
}

const numbers = (range: PortRange): readonly number[] =>
  range.last === undefined
    ? [range.port]
    : Array.from({ length: lastOf(range) - range.port + 1 }, (_, i) => range.port + i);
