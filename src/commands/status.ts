/** `eleven status`: is it well, since when, and if not, what is the matter. */
import { agentOf, type Call, formatOf } from "./client/call.ts";
import { pathTo } from "./client/client.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import { NOUNS } from "./objects/nouns.ts";
import { fields, type Json, list } from "./text/json.ts";

import { formatOne, table } from "./text/output-format.ts";
import { plain } from "./text/plain.ts";

export async function status(call: Call): Promise<ExitCode> {
  const { body } = await agentOf(call).ask("GET", pathTo("status"));
  const format = formatOf(call);
  call.shell.print(format === undefined ? statusText(body) : formatOne(body, format));
  return EXIT.done;
}

/** What is well takes a line; what is not, as many as it needs. */
function statusText(status: Json): string {
  const { version, revision, uptime, ready, counts } = status;
  const facts: [string, string][] = [
    ["eleven", `${version}, up ${duration(Number(uptime))}${ready === true ? "" : ", not ready yet"}`],
    ["revision", `${revision}`],
    ["objects", countsText(fields(counts))],
    ["config", configText(fields(status["config"]))],
    ["balance", balanceText(fields(status["balance"]))],
  ];
  const wrong = [...configRefused(status), ...sandboxProblems(status), ...degraded(status), ...upstreamsDown(status)];
  const known = facts.filter(([, text]) => text !== "").map((fact) => fact.map(plain));
  return [
    table(known),
    ...(wrong.length === 0 ? ["no problems"] : ["", "problems", ...wrong.map((line) => `  ${plain(line)}`)]),
  ].join("\n");
}

/** "1 network, 2 services". */
const countsText = (counts: Json): string =>
  Object.values(NOUNS)
    .filter(({ plural }) => counts[plural] !== undefined)
    .map(({ kind, plural }) => `${counts[plural]} ${counts[plural] === 1 ? kind : plural}`)
    .join(", ");

const configText = ({ files, loaded }: Json): string =>
  files === undefined
    ? ""
    : `${strings(files).join(", ") || "no file"}${loaded === undefined ? "" : `, read ${loaded}`}`;

function balanceText({ targets, equal, working }: Json): string {
  if (targets === undefined || targets === 0) return "";
  return `${equal} of ${targets} namespaces as they should be${working ? `, ${working} being worked on` : ""}`;
}

function configRefused({ config }: Json): string[] {
  const { refused } = fields(config);
  if (refused === undefined) return [];
  const { at, problems } = fields(refused);
  const where = ({ file, line, column, message }: Json): string =>
    `  ${[file, ...(line === 0 ? [] : [line, column])].join(":")}: ${message}`;
  return [`the config was changed (${at}) and is refused; what was in force stays:`, ...list(problems).map(where)];
}

const sandboxProblems = ({ problems }: Json): string[] =>
  list(problems).map(({ sandbox, problem }) => `sandbox ${sandbox}: ${problem}`);

const degraded = ({ balance }: Json): string[] =>
  list(fields(balance)["degraded"]).map(({ target, reason }) => `balancing in ${target} is degraded: ${reason}`);

const upstreamsDown = ({ upstreams }: Json): string[] =>
  list(fields(upstreams)["down"]).map(({ address, port, netns }) => {
    const from = netns === undefined ? "" : ` (asked from ${netns})`;
    return `upstream ${address} port ${port} does not answer${from}`;
  });

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

/** Two parts at most: "3 d 4 h". */
export function duration(seconds: number): string {
  const parts: string[] = [];
  let rest = Math.floor(seconds);
  for (const [unit, length] of [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ] as const) {
    const whole = Math.floor(rest / length);
    rest -= whole * length;
    if (whole > 0) parts.push(`${whole} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}
