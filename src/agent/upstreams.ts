/** The node's own upstreams, as the config says: a list, or a resolv.conf that is followed. Addresses of our own are no upstreams. */
import { networkInterfaces } from "node:os";
import type { Options } from "../config/options.ts";
import type { ElevenNode } from "../daemon.ts";
import { DNS_PORT } from "../model/defaults.ts";
import type { Notice } from "../model/notice.ts";
import type { Upstream } from "../model/types.ts";
import { hasNdots } from "../resolv-conf/parse.ts";
import { type ResolvConfChange, type ResolvConfWatch, watchResolvConf } from "../resolv-conf/watch.ts";

export class NodeUpstreams {
  readonly #node: ElevenNode;
  readonly #notice: Notice;
  #watch: ResolvConfWatch | undefined;
  /** What the node was given last. */
  #given = "";

  constructor(node: ElevenNode, notice: Notice) {
    this.#node = node;
    this.#notice = notice;
  }

  /** From now on. What sandboxes listen on is asked anew: it may be what resolv.conf names. */
  follow(upstreams: Options["upstreams"]): void {
    this.#watch?.close();
    this.#watch = undefined;
    if (!("resolvConf" in upstreams)) {
      this.#become(upstreams, false);
      return;
    }
    const own = ownAddresses(this.#node);
    const take = ({ upstreams: found, conf, problem }: ResolvConfChange): void => {
      this.#become(
        found.map((u) => ({ ...u, host: true })),
        hasNdots(conf),
      );
      if (problem !== undefined) this.#notice(problem);
    };
    this.#watch = watchResolvConf(upstreams.resolvConf, take, { isOwn: (address) => own.has(address) });
    take(this.#watch.current);
  }

  close(): void {
    this.#watch?.close();
  }

  #become(upstreams: readonly Upstream[], ndots: boolean): void {
    const wanted = JSON.stringify([upstreams, ndots]);
    if (wanted === this.#given) return;
    this.#given = wanted;
    this.#node.setUpstreams(upstreams, { ndots });
  }
}

/** Where we ourselves would be the upstream: every address on which a sandbox is to have port 53. */
function ownAddresses({ state }: ElevenNode): ReadonlySet<string> {
  const listen = [...state.sandboxes.values()].flatMap((sandbox) => sandbox.listen);
  const own = new Set(listen.filter(({ port }) => port === DNS_PORT).map(({ address }) => address));
  if (own.has("0.0.0.0") || own.has("::"))
    for (const i of Object.values(networkInterfaces()).flat()) if (i) own.add(i.address);
  return own;
}
