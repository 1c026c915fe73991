/** A write through the API: sent, waited for as --wait says, and what became of it said. */

import { EXIT, type ExitCode, Failure } from "../exit.ts";
import { type Json, list } from "../text/json.ts";
import { plain } from "../text/plain.ts";
import { agentOf, type Call } from "./call.ts";
import type { Asking, Method } from "./client.ts";
import { Refusal } from "./problem.ts";
import { patiently } from "./progress.ts";

export interface Written {
  /** 0, or that the time was up. */
  readonly code: ExitCode;
  readonly body: Json;
}

const TIMEOUT = 30;

/** Seconds that --timeout gives. */
export function timeoutOf({ options }: Call): number {
  return options["timeout"] === undefined ? TIMEOUT : Number(options["timeout"]);
}

/** What was written is written, even if the time was up: then standard error says so, and what goes on. */
export async function write(call: Call, method: Method, path: string, asking: Asking = {}): Promise<Written> {
  const { wait, dryRun } = call.options;
  const timeout = timeoutOf(call);
  const waits = typeof wait === "string" && dryRun !== true;
  const query = {
    ...(waits && { wait, timeout }),
    ...(dryRun === true && { dry_run: true }),
  };
  const asked = agentOf(call).ask(method, path, { ...asking, query, patience: waits ? timeout : 0 });
  const { status, body } = await (waits ? patiently(call.shell, `waiting until it is ${wait}`, asked) : asked);
  for (const line of list(body["degraded"]).map(degradedText)) call.shell.complain(`eleven: degraded: ${line}`);
  if (body["waited"] !== "timeout" && status !== 202) return { code: EXIT.done, body };
  const { revision } = body;
  call.shell.complain(
    `eleven: written as revision ${revision}, but not ${wait} within ${timeout} s; eleven status says why, eleven wait --revision ${revision} --for ${wait} goes on waiting`,
  );
  return { code: EXIT.timeout, body };
}

function degradedText(target: unknown): string {
  if (typeof target !== "object" || target === null) return plain(String(target));
  const { target: name, id, reason } = target as Json;
  return plain([name ?? id, reason].filter((part) => part !== undefined).join(": "));
}

/** How often somebody else may be quicker. */
const TRIES = 5;

/** Reads, and writes what follows from it, anew when it was changed in between. `attempt` gives If-Match what it has read. */
export async function unlessChanged<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 412) throw error;
      if (tries === TRIES)
        throw new Failure(EXIT.conflict, `others change it all the time (tried ${TRIES} times): ${error.message}`);
    }
  }
}
