/** Which backend a node uses, and why. */

import { isGone, type LbBackend } from "../backends/backend.ts";
import { BACKENDS, type BackendOptions } from "../backends/table.ts";
import type { LbTarget } from "../state.ts";
import type { BalanceOptions } from "./options.ts";

export interface Choice {
  readonly backend: LbBackend;
  /** For the operator, if there was something to choose. */
  readonly why?: string;
}

/** `probed` is the namespace that "auto" tries things in. Rejects if nothing works there, with every reason; with an LbError if it is gone. */
export async function chooseBackend(
  wanted: BalanceOptions["backend"] = "auto",
  probed: LbTarget,
  options: BackendOptions,
): Promise<Choice> {
  if (typeof wanted === "object") return { backend: wanted };
  if (wanted !== "auto" && !Object.hasOwn(BACKENDS, wanted))
    throw new Error(`there is no backend "${wanted}": auto, ${Object.keys(BACKENDS).join(", ")}, or one of your own`);
  if (wanted !== "auto") return { backend: BACKENDS[wanted].create(options) };
  const problems: string[] = [];
  for (const [name, { create, auto }] of Object.entries(BACKENDS)) {
    if (auto === false) continue;
    const backend = create(options);
    const problem = await problemOf(backend, probed);
    if (problem === undefined) return { backend, why: whyOf(name, problems) };
    backend.close?.();
    problems.push(`${name}: ${problem}`);
  }
  throw new Error(`nothing to balance with: ${problems.join("; ")}`);
}

const whyOf = (name: string, problems: readonly string[]): string =>
  problems.length === 0
    ? `balancing with ${name}: the kernel has it`
    : `balancing with ${name}, not with ${problems.join(", nor with ")}`;

async function problemOf(backend: LbBackend, target: LbTarget): Promise<string | undefined> {
  try {
    await backend.probe(target);
    return undefined;
  } catch (error) {
    if (isGone(error)) throw error;
    return error instanceof Error ? error.message.replace(`${target.id}: `, "") : String(error);
  }
}
