/** Which backend a node uses, and why. */

import { type LbBackend, LbError } from "../backends/backend.ts";
import type { Localnet } from "../backends/common/localnet.ts";
import { DryRunBackend } from "../backends/dry-run.ts";
import { IpvsBackend } from "../backends/ipvs/backend.ts";
import { NftablesBackend } from "../backends/nftables/backend.ts";
import type { LbTarget } from "../state.ts";
import type { BalanceOptions } from "./options.ts";

export interface Choice {
  readonly backend: LbBackend;
  /** For the operator, if there was something to choose. */
  readonly why?: string;
}

export interface BackendOptions {
  /** What was so on the host before. */
  readonly localnet: Localnet;
}

/** `probed` is the namespace that "auto" tries things in. Rejects if nothing works there, with every reason; with an LbError if it is gone. */
export async function chooseBackend(
  wanted: BalanceOptions["backend"],
  probed: LbTarget,
  options: BackendOptions,
): Promise<Choice> {
  if (typeof wanted === "object") return { backend: wanted };
  if (wanted === "dry-run") return { backend: new DryRunBackend() };
  if (wanted === "ipvs") return { backend: new IpvsBackend(options) };
  if (wanted === "nftables") return { backend: new NftablesBackend(options) };
  const [ipvs, nftables] = [new IpvsBackend(options), new NftablesBackend(options)];
  const noIpvs = await problemOf(ipvs, probed);
  if (noIpvs === undefined) return { backend: ipvs, why: "balancing with ipvs: the kernel has it" };
  const noNftables = await problemOf(nftables, probed);
  if (noNftables === undefined) return { backend: nftables, why: `balancing with nftables, not with ipvs: ${noIpvs}` };
  throw new Error(`nothing to balance with: ipvs: ${noIpvs}; nftables: ${noNftables}`);
}

async function problemOf(backend: LbBackend, target: LbTarget): Promise<string | undefined> {
  try {
    await backend.probe(target);
    return undefined;
  } catch (error) {
    if (error instanceof LbError && error.code === "gone") throw error;
    return error instanceof Error ? error.message.replace(`${target.id}: `, "") : String(error);
  }
}
