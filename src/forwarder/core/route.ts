/** Split DNS: which of all upstreams a name is for. Suffixes become lookup keys once, so that a query pays nothing for them. */
import { nameKey } from "../../model/name.ts";
import type { Upstream } from "../../model/types.ts";

/**
 * Picks the upstreams for a name, given as a lookup key (wire labels, lower-cased). The same array comes back for the same
 * route, in the order the upstreams were listed.
 */
export type Route = (key: string) => readonly Upstream[];

/** The longest suffix that an upstream claims wins, label by label; a name nobody claims goes to those without `domains`. */
export function createRoute(upstreams: readonly Upstream[]): Route {
  const general: Upstream[] = [];
  const bySuffix = new Map<string, Upstream[]>();
  for (const upstream of upstreams) {
    const suffixes = upstream.domains === undefined ? [""] : new Set(upstream.domains.map(nameKey));
    for (const suffix of suffixes) {
      const list = suffix === "" ? general : bySuffix.get(suffix); // "." is what no `domains` means
      if (list === undefined) bySuffix.set(suffix, [upstream]);
      else list.push(upstream);
    }
  }
  if (bySuffix.size === 0) return () => general;
  return (key) => {
    for (let at = 0; at < key.length; at += key.charCodeAt(at) + 1) {
      const claimed = bySuffix.get(at === 0 ? key : key.slice(at));
      if (claimed !== undefined) return claimed;
    }
    return general;
  };
}
