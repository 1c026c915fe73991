/** Who may be asked, who names them, and who of them does not answer. */
import { brief } from "../model/quote.ts";
import type { Upstream } from "../model/types.ts";
import type { Controlled } from "./controlled.ts";

interface Shown extends Omit<Upstream, "host"> {
  readonly host?: boolean;
  readonly of: string;
  /** Namespaces from which it was asked and does not answer; "host" is this process's own. */
  readonly down: readonly string[];
}

export function upstreamsOf({ state, upstreams }: Pick<Controlled, "state" | "upstreams">): { items: Shown[] } {
  const down = new Map<string, string[]>();
  for (const { address, port, netns = "host" } of upstreams.down) {
    const key = `${address} ${port}`;
    const known = down.get(key);
    if (known === undefined) down.set(key, [netns]);
    else known.push(netns);
  }
  const items: Shown[] = [];
  const add = (of: string, named: readonly Upstream[] = []): void => {
    for (const upstream of named)
      items.push({ ...upstream, of, down: down.get(`${upstream.address} ${upstream.port}`) ?? [] });
  };
  add("node", upstreams.node);
  for (const network of state.networks.values()) add(`network ${brief(network.name)}`, network.upstreams);
  for (const sandbox of state.sandboxes.values()) add(`sandbox ${brief(sandbox.id)}`, sandbox.upstreams);
  for (const [id, found] of upstreams.found) add(`resolv.conf of sandbox ${brief(id)}`, found.upstreams);
  return { items };
}
