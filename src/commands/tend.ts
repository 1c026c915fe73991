/** What is asked of a running agent beside its objects: `wait`, `reload`, `cache flush`, `upstream ls`. */
import { agentOf, type Call, formatOf } from "./client/call.ts";
import { pathTo } from "./client/client.ts";
import { filterPairs } from "./client/filters.ts";
import { patiently } from "./client/progress.ts";
import { timeoutOf } from "./client/write.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import { type Json, list } from "./text/json.ts";
import { type Column, formatOne, formatRows } from "./text/output-format.ts";
import { plain } from "./text/plain.ts";

export async function wait(call: Call): Promise<ExitCode> {
  const { revision, for: what } = call.options;
  const timeout = timeoutOf(call);
  const query = { revision: revision as string | undefined, for: what as string, timeout };
  const asked = agentOf(call).ask("GET", pathTo("wait"), { query, patience: timeout, slack: SLACK });
  const { body } = await patiently(call.shell, `waiting until it is ${what}`, asked);
  for (const { target, reason } of list(body["degraded"]))
    call.shell.complain(plain(`eleven: degraded: ${target}: ${reason}`));
  if (body["waited"] !== "timeout") return EXIT.done;
  call.shell.complain(`eleven: not ${what} within ${timeout} s; eleven status says why`);
  return EXIT.timeout;
}

/** Seconds beyond --timeout: nothing but the time itself is long here. */
const SLACK = 1;

export async function reload(call: Call): Promise<ExitCode> {
  const { body } = await agentOf(call).ask("POST", pathTo("reload"), { patience: timeoutOf(call), slack: SLACK });
  const { revision, changed, restart } = body;
  const options = Array.isArray(restart) ? restart.map((option) => plain(String(option))) : [];
  call.shell.print(
    changed === 0
      ? "nothing is another"
      : `${changed} ${changed === 1 ? "object" : "objects"} changed, revision ${revision}`,
  );
  if (options.length > 0) call.shell.complain(`eleven: in force after a restart only: ${options.join(", ")}`);
  return EXIT.done;
}

export async function flushCache(call: Call): Promise<ExitCode> {
  const { body } = await agentOf(call).ask("POST", pathTo("cache", "flush"));
  if (formatOf(call) !== undefined) call.shell.print(formatOne(body, formatOf(call)!));
  else
    call.shell.print(
      typeof body["flushed"] === "number" ? `${body["flushed"]} answers forgotten` : "answers forgotten",
    );
  return EXIT.done;
}

const UPSTREAMS: readonly Column<Json>[] = [
  { name: "Address", head: "ADDRESS", of: ({ address, port }) => placeText(`${address}`, Number(port)) },
  { name: "Domains", head: "DOMAINS", of: ({ domains }) => (Array.isArray(domains) ? domains.join(" ") : "") },
  { name: "Of", head: "OF", of: ({ of }) => `${of ?? ""}` },
  { name: "Netns", head: "NETNS", of: ({ netns, host }) => (host === true ? "host" : `${netns ?? ""}`) },
  { name: "State", head: "STATE", of: stateText },
];

export async function listUpstreams(call: Call): Promise<ExitCode> {
  const { body } = await agentOf(call).ask("GET", pathTo("upstreams"));
  const wanted = filterPairs(call.options["filter"], ["address", "of"]);
  const rows = list(body["items"]).filter((row) => wanted.every(([key, value]) => `${row[key]}` === value));
  if (call.options["quiet"] === true) for (const { address } of rows) call.shell.print(plain(`${address}`));
  else call.shell.print(formatRows(rows, UPSTREAMS, formatOf(call)));
  return EXIT.done;
}

const placeText = (address: string, port: number): string =>
  port === 53 ? address : address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

function stateText({ down }: Json): string {
  const from = Array.isArray(down) ? down.map(String) : [];
  return from.length === 0 ? "up" : `down (asked from ${from.join(", ")})`;
}
