/**
 * Whether connections that are led to published ports pass other people's forward chains. Rules may ask for more than we know of them (where
 * they come from, say): what may accept them counts as accepting, and only what drops them for certain as dropping. Pure.
 */
import { familyOf } from "../../../model/address.ts";
import type { ForwardChain, ForwardChains, ForwardRule } from "../../../os/nftables/forward.ts";
import type { PublishedPort } from "../../state.ts";
import { type Decision, decide } from "./decision.ts";
import { asksForPort } from "./known-packet.ts";

/** In words, and with the command that lets them pass: each chain that drops connections to some of these ports, or may do so unseen. */
export function inTheWay({ chains, unseen }: ForwardChains, published: readonly PublishedPort[]): string | undefined {
  const said = chains.flatMap((chain) => dropping(chain, published) ?? []);
  if (unseen !== undefined && published.length > 0) said.push(notSeen("others' nftables chains drop", unseen));
  return said.length === 0 ? undefined : said.join("; ").replaceAll(/[^ -~]/g, "?");
}

function dropping(chain: ForwardChain, published: readonly PublishedPort[]): string | undefined {
  const concerned = published.filter((port) => isFor(chain, port));
  const place = `${chain.family} ${chain.table} ${chain.name}`;
  if (chain.unseen !== undefined)
    return concerned.length === 0 ? undefined : notSeen(`nftables chain ${place} drops`, chain.unseen);
  const way = new Way(chain);
  const dropped = concerned.flatMap((port) => {
    const end = way.end(port);
    return end === "accepted" ? [] : [{ end, port }];
  });
  const [first] = dropped;
  if (first === undefined) return undefined;
  const { protocol, port } = first.port;
  const others = dropped.length > 1 ? ` and ${dropped.length - 1} more` : "";
  const what = `published port ${port}/${protocol} (IPv${familyOf(first.port.to)})${others}`;
  const { end } = first;
  const how = end === "dropped" ? "policy drop" : `rule with handle ${end.handle} of chain ${end.chain}`;
  const allow = `nft insert rule ${place} ct status dnat accept`;
  return `${what}: dropped by nftables chain ${place} (${how}); to allow it: ${allow}`;
}

const notSeen = (what: string, why: string): string => `whether ${what} published ports could not be looked at: ${why}`;

const isFor = ({ family }: ForwardChain, { to }: PublishedPort): boolean =>
  family === "inet" || family === (familyOf(to) === 6 ? "ip6" : "ip");

/** Chains that are called by chains; the kernel allows no more. */
const DEEPEST = 16;

/** Where a packet's way through a chain ends; an object: at the rule that drops it. */
type End = "accepted" | "through" | { readonly chain: string; readonly handle: number };

/** A rule that may end a packet's way, or lead it elsewhere. Undefined: that depends on the port. */
interface Station {
  readonly rule: ForwardRule;
  readonly decision: Decision | undefined;
}

/** Packets' way through a chain of the forward hook. Most rules decide the same for all ports of an address, if anything: once. */
class Way {
  readonly #base: ForwardChain;
  readonly #stations = new Map<string, readonly Station[]>();

  constructor(base: ForwardChain) {
    this.#base = base;
  }

  /** Of a port that the chain is for. "dropped": by the policy. */
  end(port: PublishedPort): Exclude<End, "through"> | "dropped" {
    const { name, policy } = this.#base;
    const end = this.#walk(port, name, DEEPEST);
    return end !== "through" ? end : policy === "drop" ? "dropped" : "accepted";
  }

  #walk(port: PublishedPort, chain: string, depth: number): End {
    for (const { rule, decision } of this.#stationsIn(chain, port)) {
      const { sure, verdicts } = decision ?? decide(rule, this.#base, port);
      for (const verdict of verdicts) {
        if (verdict === "accept") return "accepted";
        if (verdict === "drop" && sure) return { chain, handle: rule.handle };
        if (verdict === "return" && sure) return "through";
        const [word, to] = verdict.split(" ");
        if (to === undefined || depth === 0) continue;
        const end = this.#walk(port, to, depth - 1);
        if (end === "accepted" || (sure && (end !== "through" || word === "goto"))) return end;
      }
    }
    return "through";
  }

  #stationsIn(chain: string, port: PublishedPort): readonly Station[] {
    const key = `${port.to} ${port.protocol} ${port.bridge} ${chain}`;
    const known = this.#stations.get(key);
    if (known !== undefined) return known;
    const stations = (this.#base.rules.get(chain) ?? []).flatMap((rule): readonly Station[] => {
      if (rule.steps.some(asksForPort)) return [{ rule, decision: undefined }];
      const decision = decide(rule, this.#base, port);
      return matters(decision) ? [{ rule, decision }] : [];
    });
    this.#stations.set(key, stations);
    return stations;
  }
}

/** What drops some packets only, or lets some return, says nothing about ours. */
const matters = ({ sure, verdicts }: Decision): boolean =>
  sure ? verdicts.length > 0 : verdicts.some((verdict) => verdict !== "drop" && verdict !== "return");
