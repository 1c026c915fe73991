/** Our table in a target's namespace, read and changed, and what the kernel's refusals mean. */
import { randomBytes } from "node:crypto";
import { errnoName, OsError } from "../../../os/error.ts";
import { heldUp, patience } from "../../../os/held-up.ts";
import { generationOf, inTransaction, withNetfilter } from "../../../os/netlink/nfnetlink.ts";
import { commit, type Refused } from "../../../os/nftables/batch.ts";
import { type Counted, readCounters } from "../../../os/nftables/counter.ts";
import { type Ruleset, readRuleset } from "../../../os/nftables/ruleset.ts";
import type { Change } from "../../../os/nftables/types.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { lbError } from "../common/failure.ts";
import { TABLE } from "./sets.ts";

/**
 * Makes all changes, or none; by how much that raises the generation of the namespace's rules. Rejects with an LbError that has the kernel's
 * reason and the change.
 */
export async function transaction(target: LbTarget, changes: readonly Change[]): Promise<number> {
  if (changes.length === 0) return 0;
  const [refused] = await committed(target, TABLE, changes);
  if (refused !== undefined) throw failure(target, refused);
  return 1;
}

/** Rejects if the kernel would not take these changes of a new table. None of them is made: the last one of all is impossible. */
export async function rehearse(target: LbTarget, changes: readonly Change[]): Promise<void> {
  const refused = await committed(target, REHEARSAL, [...changes, IMPOSSIBLE]);
  const wrong = refused.find(({ change }) => change !== IMPOSSIBLE);
  if (wrong === undefined) return;
  const error = failure(target, wrong);
  throw error.code === "denied" ? error : new LbError("missing", target, lacking(wrong));
}

/** Of a name that no container can know: one that is there already would not be like ours. */
const REHEARSAL = `eleven_rehearsal_${randomBytes(8).toString("hex")}`;
const IMPOSSIBLE: Change = { kind: "chain.delete", chain: "none" };

/** Rejects if there is no such namespace, or no rights in it. */
export function lookAt(target: LbTarget): void {
  try {
    withNetfilter(target.netns, generationOf);
  } catch (error) {
    throw lbError(target, "nf_tables", error);
  }
}

/**
 * Our table; undefined if it is not there, "endless" if there is much more of it than `most` elements in a container's namespace, or if the
 * namespace's rules are never the same for as long as it takes to read it.
 */
export function readTable(target: LbTarget, most: number): Ruleset | "endless" | undefined {
  const contained = target.kind === "sandbox";
  const limits = contained ? limitsIn(most) : { most: 1 << 30, longest: 30_000 };
  try {
    return withNetfilter(target.netns, (netlink) => readRuleset(netlink, TABLE, limits));
  } catch (error) {
    if (error instanceof OsError && (error.code === "EINTR" || (contained && error.code === "E2BIG"))) return "endless";
    throw lbError(target, "nf_tables", error);
  }
}

/**
 * Of a container's namespace, where most elements may be an attacker's: octets, and milliseconds of the thread that reads. Ten thousand
 * services of ours are read in half a second, on a busy machine in several: taken for endless, all of them would be written again.
 */
export const limitsIn = (most: number) => ({ most: most * LARGE_ELEMENT, longest: Math.max(1_000, most / 50) });

/** What our table's counters have counted. If there are many more than `count`, somebody else has made them. */
export function countersOf(target: LbTarget, count: number): ReadonlyMap<string, Counted> {
  const contained = target.kind === "sandbox";
  const limits = contained ? { most: (64 + 2 * count) * LARGE_ELEMENT, longest: 500 } : { most: 64 << 20 };
  try {
    return withNetfilter(target.netns, (netlink) => readCounters(netlink, TABLE, limits));
  } catch (error) {
    throw lbError(target, "nf_tables", error);
  }
}

/** Octets; most take half of that. */
const LARGE_ELEMENT = 160;

/** Milliseconds. */
const LONGEST = { own: 30_000, container: 15_000 };

async function committed(target: LbTarget, table: string, changes: readonly Change[]): Promise<readonly Refused[]> {
  const { netns } = target;
  const own = target.kind !== "sandbox";
  const longest = patience(netns, own ? LONGEST.own : LONGEST.container);
  try {
    const refused = await inTransaction(netns, { own, longest }, (netlink) => commit(netlink, table, changes));
    if (netns !== undefined) heldUp.delete(netns);
    return refused;
  } catch (error) {
    if (netns !== undefined && error instanceof OsError && error.code === "ETIMEDOUT") heldUp.add(netns);
    throw lbError(target, "nf_tables", error);
  }
}

/** The kernel took none of the changes, because of what is there. */
export class Refusal extends LbError {}

/** The error behind what was refused. */
export function failure(target: LbTarget, refused: Refused): LbError {
  const code = errnoName(refused.errno);
  if (code === "EPERM" && refused.change === undefined)
    return new LbError("denied", target, "nf_tables: EPERM (needs CAP_NET_ADMIN)");
  if (code === "EPERM")
    return new LbError(
      "denied",
      target,
      `${refused.text}: EPERM (a process owns the table: it goes when that one ends)`,
    );
  if (MISSING.has(code)) return new LbError("missing", target, lacking(refused));
  return new Refusal("failed", target, reason(refused));
}

const MISSING = new Set(["EOPNOTSUPP", "EPROTONOSUPPORT", "EAFNOSUPPORT"]);

const lacking = (refused: Refused): string => `the kernel's nf_tables lacks something: ${reason(refused)}`;

/** A line at most: an element's comment, say, is what somebody wrote. */
const reason = ({ text, errno, why }: Refused): string =>
  `${text.slice(0, 200)}: ${errnoName(errno)}${why ? ` (${why})` : ""}`;
