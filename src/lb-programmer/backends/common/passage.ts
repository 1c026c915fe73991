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
  const dropped: { readonly end: Exclude<PortEnd, "accepted" | "unseen">; readonly port: PublishedPort }[] = [];
  for (const port of concerned) {
    const end = way.end(port);
    if (end === "unseen") return notSeen(`nftables chain ${place} drops`, TOO_FAR);
    if (end !== "accepted") dropped.push({ end, port });
  }
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

/** Rules that are looked at, for all ports together: some tenths of a second. */
const MOST_STEPS = 500_000;
const TOO_FAR = `to follow its rules takes more than ${MOST_STEPS} steps`;

/** Where a packet's way through a chain ends; an object: at the rule that drops it; "unseen": it takes too many steps. */
type End = "accepted" | "through" | "unseen" | { readonly chain: string; readonly handle: number };
/** "dropped": by the policy. */
type PortEnd = Exclude<End, "through"> | "dropped";

/** A rule that may end a packet's way, or lead it elsewhere. Undefined: that depends on the port. */
interface Station {
  readonly rule: ForwardRule;
  readonly decision: Decision | undefined;
}

/**
 * Packets' way through a chain of the forward hook. Most rules decide the same for all ports of an address, if anything: once. A chain that
 * several lead to is followed once for each port, and once for all ports of an address if nothing on the way asks for the port.
 */
class Way {
  readonly #base: ForwardChain;
  readonly #stations = new Map<string, readonly Station[]>();
  /** Of addresses whose ports all go the same way. */
  readonly #ends = new Map<string, PortEnd>();
  #steps = 0;
  #asked = false;

  constructor(base: ForwardChain) {
    this.#base = base;
  }

  /** Of a port that the chain is for. */
  end(port: PublishedPort): PortEnd {
    const known = this.#ends.get(addressOf(port));
    if (known !== undefined) return known;
    const { name, policy } = this.#base;
    this.#asked = false;
    const through = this.#walk(port, name, DEEPEST, new Map());
    const end = through !== "through" ? through : policy === "drop" ? "dropped" : "accepted";
    if (!this.#asked) this.#ends.set(addressOf(port), end);
    return end;
  }

  /** `ends`: of chains that were followed for this port. */
  #walk(port: PublishedPort, chain: string, depth: number, ends: Map<string, End>): End {
    const known = ends.get(chain);
    if (known !== undefined) return known;
    const end = this.#follow(port, chain, depth, ends);
    ends.set(chain, end);
    return end;
  }

  #follow(port: PublishedPort, chain: string, depth: number, ends: Map<string, End>): End {
    for (const { rule, decision } of this.#stationsIn(chain, port)) {
      if (++this.#steps > MOST_STEPS) return "unseen";
      if (decision === undefined) this.#asked = true;
      const { sure, verdicts } = decision ?? decide(rule, this.#base, port);
      for (const verdict of verdicts) {
        if (verdict === "accept") return "accepted";
        if (verdict === "drop" && sure) return { chain, handle: rule.handle };
        if (verdict === "return" && sure) return "through";
        const [word, to] = verdict.split(" ");
        if (to === undefined || depth === 0) continue;
        const end = this.#walk(port, to, depth - 1, ends);
        if (end === "accepted" || end === "unseen" || (sure && (end !== "through" || word === "goto"))) return end;
      }
    }
    return "through";
  }

  #stationsIn(chain: string, port: PublishedPort): readonly Station[] {
    const key = `${addressOf(port)} ${chain}`;
    const known = this.#stations.get(key);
    if (known !== undefined) return known;
    const rules = this.#base.rules.get(chain) ?? [];
    this.#steps += rules.length;
    const stations = rules.flatMap((rule): readonly Station[] => {
      if (rule.steps.some(asksForPort)) return [{ rule, decision: undefined }];
      const decision = decide(rule, this.#base, port);
      return matters(decision) ? [{ rule, decision }] : [];
    });
    this.#stations.set(key, stations);
    return stations;
  }
}

const addressOf = ({ to, protocol, bridge }: PublishedPort): string => `${to} ${protocol} ${bridge}`;

/** What drops some packets only, or lets some return, says nothing about ours. */
const matters = ({ sure, verdicts }: Decision): boolean =>
  sure ? verdicts.length > 0 : verdicts.some((verdict) => verdict !== "drop" && verdict !== "return");
