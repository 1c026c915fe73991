/** `eleven lb`: what the kernel holds of the load balancer, how far that is from what it should, and putting it right. */
import { agentOf, type Call, formatOf } from "./client/call.ts";
import { pathTo } from "./client/client.ts";
import { patiently } from "./client/progress.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import { type Json, list } from "./text/json.ts";
import { outline } from "./text/outline.ts";
import { type Column, formatOne, formatRows } from "./text/output-format.ts";
import { plainLines } from "./text/plain.ts";

const text = (name: string, field: string): Column<Json> => ({
  ...{ name, head: name.toUpperCase() },
  of: (row) => (row[field] === undefined ? "" : String(row[field])),
});

const TARGETS = [
  ...[text("Target", "target"), text("State", "state"), text("Revision", "revision")],
  ...[text("Leaving", "leaving"), text("Reason", "reason")],
];

/** All targets, or all of one. */
export async function showBalance(call: Call): Promise<ExitCode> {
  const { body } = await agentOf(call).ask("GET", pathTo("balance", ...call.words));
  const format = formatOf(call);
  if (call.words.length === 0) call.shell.print(formatRows(list(body["items"]), TARGETS, format));
  else call.shell.print(format === undefined ? outline(body).join("\n") : formatOne(body, format));
  return EXIT.done;
}

/** As diff(1): 1 if there is a difference. With `onlyWhether`, one line for each target that differs. */
export async function diffBalance(call: Call, onlyWhether: boolean): Promise<ExitCode> {
  const asked = agentOf(call).ask("GET", pathTo("balance", "diff"), { patience: 60 });
  const { body } = await patiently(call.shell, "reading the kernel", asked);
  const targets = list(body["items"]).filter((item) => stepsOf(item).length > 0 || item["problem"] !== undefined);
  if (formatOf(call) !== undefined) call.shell.print(formatOne(body, formatOf(call)!));
  else if (targets.length === 0)
    call.shell.print(list(body["items"]).length === 0 ? NOTHING : "the kernel holds what it should");
  else for (const item of targets) call.shell.print(plainLines(onlyWhether ? whetherText(item) : diffText(item)));
  return targets.length === 0 ? EXIT.done : EXIT.failed;
}

export async function repairBalance(call: Call): Promise<ExitCode> {
  const asked = agentOf(call).ask("POST", pathTo("balance", "repair"), { patience: 60 });
  const { body } = await patiently(call.shell, "putting the kernel right", asked);
  const targets = list(body["items"]);
  const mended = targets.filter(({ repaired }) => count(repaired) > 0);
  const wrong = targets.filter(({ left, problem }) => count(left) > 0 || problem !== undefined);
  if (formatOf(call) !== undefined) call.shell.print(formatOne(body, formatOf(call)!));
  else if (mended.length === 0 && wrong.length === 0) call.shell.print("nothing had to be put right");
  else for (const { target, repaired } of mended) call.shell.print(plainLines(diffText({ target, steps: repaired })));
  for (const { target, left, problem } of wrong)
    call.shell.complain(
      plainLines(`eleven: ${target}: ${problem ?? `${count(left)} steps from what it should be, still`}`),
    );
  return wrong.length === 0 ? EXIT.done : EXIT.failed;
}

/** The agent may have been told not to, or have no sandbox yet. */
const NOTHING = "nothing is balanced: eleven config schema says what balance is, eleven sandbox ls who there is";

const count = (steps: unknown): number => (Array.isArray(steps) ? steps.length : 0);

const stepsOf = ({ steps }: Json): readonly unknown[] => (Array.isArray(steps) ? steps : []);

const whetherText = (item: Json): string =>
  `${item["target"]}: ${item["problem"] ?? `${stepsOf(item).length} ${stepsOf(item).length === 1 ? "step" : "steps"} from what it should be`}`;

function diffText(item: Json): string {
  const steps = stepsOf(item).map((step) => `  ${typeof step === "string" ? step : JSON.stringify(step)}`);
  return [`${item["target"]}${item["problem"] === undefined ? "" : `: ${item["problem"]}`}`, ...steps].join("\n");
}
