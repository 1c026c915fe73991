/**
 * Why a sandbox gets the answer that it gets: which names the C library asks one after the other, where each was looked for, who claims
 * it; and what is behind the addresses, or who would be asked.
 */
import { createRoute } from "../forwarder/core/route.ts";
import type { BalanceView } from "../lb-programmer/order/inspection.ts";
import { keyName, nameKey, nameProblem } from "../model/name.ts";
import { brief } from "../model/quote.ts";
import type { NetworkId, ReadonlyState, Sandbox, SandboxId, Upstream } from "../model/types.ts";
import type { Claimant, Compiler } from "../scoping/compile.ts";
import { explainName, type Tried } from "../scoping/explain.ts";
import { BLOCKED, BLOCKED_ABOVE, FORWARD, NODATA, NXDOMAIN, type Outcome, SEARCH } from "../scoping/outcome.ts";
import type { Tables } from "../scoping/tables.ts";
import { TYPE_A, TYPE_AAAA } from "../wire/constants.ts";
import { rdataTexts } from "../wire/rdata-text.ts";
import { typeName, typeNumber } from "../wire/type-names.ts";
import { NodeError } from "./error.ts";

export interface Explanation {
  readonly sandbox: SandboxId;
  readonly name: string;
  readonly type: string;
  /** What the C library asks, in its order, up to the first name that has an answer, or that is forwarded. */
  readonly asked: readonly AskedName[];
}

export interface AskedName {
  readonly name: string;
  /** Why this name: "as it is written", "with the search domain corp.example". */
  readonly why: string;
  readonly tried: readonly (Omit<Tried, "key"> & { readonly name: string })[];
  /** What decided it where no network knows the name. */
  readonly rule?: string;
  readonly status: "answered" | "no such record" | "no such name" | "forwarded" | "refused";
  readonly records: readonly string[];
  /** Seconds. */
  readonly ttl?: number;
  /** Who claims the name on the network where it was found, and what each says of this type. */
  readonly claims: readonly { readonly by: string; readonly records: readonly string[] }[];
  /** Where it is balanced: servers whose VIP is among the records, with their open connections. */
  readonly balanced: readonly BalanceView[];
  /** Who would be asked, first to ask first. */
  readonly upstreams: readonly Upstream[];
}

export interface ExplainParts {
  readonly state: ReadonlyState;
  /** As they are in force. */
  readonly tables: Tables;
  readonly compiler: Pick<Compiler, "claimants">;
  /** Servers of these addresses, where this sandbox's connections are balanced. */
  readonly balanced: (
    sandbox: Sandbox,
    networks: readonly NetworkId[],
    vips: ReadonlySet<string>,
  ) => Promise<BalanceView[]>;
}

/** Rejects with a NodeError if there is no such sandbox, or if that is no name or type. */
export async function explain(parts: ExplainParts, id: SandboxId, name: string, type = "A"): Promise<Explanation> {
  const sandbox = parts.state.sandboxes.get(id);
  if (sandbox === undefined) throw new NodeError("unknown", "explain", `there is no sandbox "${brief(id)}"`);
  const problem = nameProblem(name);
  if (problem !== undefined) throw new NodeError("invalid", "explain", `the name "${brief(name)}" ${problem}`);
  const number = typeNumber(type);
  if (number === undefined)
    throw new NodeError("invalid", "explain", `there is no type "${brief(type)}"; A, AAAA, PTR, SRV and TXT are usual`);
  const asked: AskedName[] = [];
  for (const candidate of candidates(name, sandbox)) {
    const one = await askedName(parts, sandbox, candidate, number);
    asked.push(one);
    if (one.status === "answered" || one.status === "forwarded" || one.status === "refused") break;
  }
  return { sandbox: id, name, type: typeName(number), asked };
}

/** resolv.conf(5): a name with fewer dots than ndots is asked with each search domain first, else as it is first. */
function* candidates(name: string, { search = [], ndots, resolvConf }: Sandbox): Generator<Candidate> {
  const plain = { name: name.replace(/\.$/, ""), why: "as it is written" };
  if (name.endsWith(".")) return yield plain;
  const least = ndots ?? (resolvConf === undefined ? 1 : 0);
  const first = name.split(".").length - 1 >= least;
  if (first) yield plain;
  for (const domain of search) yield { name: `${plain.name}.${domain}`, why: `with the search domain ${domain}` };
  if (!first) yield plain;
}

interface Candidate {
  readonly name: string;
  readonly why: string;
}

async function askedName(
  { tables, compiler, balanced }: ExplainParts,
  sandbox: Sandbox,
  { name, why }: Candidate,
  type: number,
): Promise<AskedName> {
  const key = nameKey(name);
  const [scope, spec] = [tables.scope(sandbox.id), tables.spec(sandbox.id)];
  if (scope === undefined || spec === undefined)
    return {
      name,
      why,
      tried: [],
      status: "refused",
      rule: "it is not in force yet",
      records: [],
      claims: [],
      balanced: [],
      upstreams: [],
    };
  const { outcome, tried, found, rule } = explainName(scope, spec.zones, key, type);
  const status = statusOf(outcome);
  const records = outcome.count === 0 ? [] : rdataTexts(outcome);
  const isAddress = type === TYPE_A || type === TYPE_AAAA;
  return {
    ...{ name, why, status, records },
    tried: tried.map(({ key: tried, ...rest }) => ({ ...rest, name: keyName(tried) })),
    ...(rule !== undefined && { rule }),
    ...(status === "answered" && { ttl: outcome.ttl }),
    claims:
      found === undefined ? [] : compiler.claimants(found.network, found.key).map((claim) => claimed(claim, type)),
    balanced: isAddress && found !== undefined ? await balanced(sandbox, spec.zones, new Set(records)) : [],
    upstreams: outcome === FORWARD ? createRoute(spec.upstreams)(key) : [],
  };
}

const claimed = ({ kind, id, records }: Claimant, type: number) => ({
  by: `${kind} ${id}`,
  records: records.filter((set) => set.type === type).flatMap(rdataTexts),
});

function statusOf(outcome: Outcome): AskedName["status"] {
  if (outcome === FORWARD) return "forwarded";
  if (outcome === NXDOMAIN || outcome === BLOCKED) return "no such name";
  if (outcome === NODATA || outcome === SEARCH || outcome === BLOCKED_ABOVE) return "no such record";
  return "answered";
}
