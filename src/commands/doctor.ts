/** `eleven doctor`: this machine as an agent finds it, and what to do about what is wrong. */
import { examine } from "../doctor/doctor.ts";
import type { Finding } from "../doctor/finding.ts";
import { thisMachine } from "../doctor/machine.ts";
import type { AgentAnswer } from "../doctor/place.ts";
import { defaultStateDir } from "../os/state-dir.ts";
import { agentOf, type Call, formatOf, socketOf } from "./client/call.ts";
import { NotAllowed } from "./client/unreachable.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import { type Json, list } from "./text/json.ts";
import { formatRows } from "./text/output-format.ts";
import { plainLines } from "./text/plain.ts";

const COLUMNS = (["state", "check", "found", "fix"] as const).map((field) => ({
  ...{ name: field, head: field.toUpperCase() },
  of: (finding: Finding) => finding[field] ?? "",
}));

/** Exit code 1 if there is a problem; warnings are none. */
export async function doctor(call: Call): Promise<ExitCode> {
  const { shell, options } = call;
  const stateDir = (options["stateDir"] as string | undefined) ?? defaultStateDir();
  const findings = await examine(thisMachine(), { stateDir, socket: socketOf(call), agent: await answerOf(call) });
  const format = formatOf(call);
  if (format !== undefined) shell.print(formatRows(findings, COLUMNS, format));
  else for (const finding of findings) shell.print(plainLines(told(finding)));
  return findings.some(({ state }) => state === "problem") ? EXIT.failed : EXIT.done;
}

const told = ({ state, check, found, fix }: Finding): string =>
  [`${state.padEnd(7)}  ${check}: ${found}`, ...(fix === undefined ? [] : [`         -> ${fix}`])].join("\n");

/** undefined: nobody answers. */
async function answerOf(call: Call): Promise<AgentAnswer | "not allowed" | undefined> {
  try {
    const { body } = await agentOf(call).ask("GET", "/v1/status");
    return { version: `${body["version"]}`, problems: problemsIn(body) };
  } catch (error) {
    return error instanceof NotAllowed ? "not allowed" : undefined;
  }
}

function problemsIn({ problems, balance, config }: Json): string[] {
  const { degraded } = (balance ?? {}) as Json;
  const { refused } = (config ?? {}) as Json;
  return [
    ...list(problems).map(({ sandbox, problem }) => `sandbox ${sandbox}: ${problem}`),
    ...list(degraded).map(({ target, reason }) => `${target}: degraded: ${reason}`),
    ...(refused === undefined ? [] : ["the last edit of its config was refused (eleven status says why)"]),
  ];
}
