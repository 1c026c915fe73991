/** `eleven query` and `eleven explain`: what a sandbox would be answered, and why. */
import { agentOf, type Call, formatOf } from "./client/call.ts";
import { type Client, pathTo } from "./client/client.ts";
import { Refusal } from "./client/problem.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import { suggesting } from "./objects/find.ts";
import { NOUNS } from "./objects/nouns.ts";
import { list } from "./text/json.ts";
import { outline } from "./text/outline.ts";
import { formatOne, shortened } from "./text/output-format.ts";
import { plain } from "./text/plain.ts";
import { UsageError } from "./usage.ts";

/** dig's comment, and records above it. NXDOMAIN is an exit code of its own, for scripts. */
export async function query(call: Call): Promise<ExitCode> {
  const { shell, options } = call;
  const body = await asked(call, "query");
  const { status, flags, answer, ms, from } = body;
  const records = (answer as readonly unknown[] | undefined) ?? [];
  const format = formatOf(call);
  if (format !== undefined) shell.print(formatOne(body, format));
  else if (options["quiet"] === true) for (const record of records) shell.print(plain(dataOf(`${record}`)));
  else {
    for (const record of records) shell.print(plain(`${record}`));
    const words = [status, ...((flags as readonly unknown[] | undefined) ?? [])].join(" ");
    shell.print(plain(`;; ${[words, ...(from === undefined ? [] : [`from ${from}`]), `${ms} ms`].join(", ")}`));
  }
  return CODES[`${status}`] ?? EXIT.failed;
}

const CODES: Readonly<Record<string, ExitCode>> = { NOERROR: EXIT.done, NXDOMAIN: EXIT.unknown };

/** Without name, time to live, class and type: what dig +short prints. */
const dataOf = (record: string): string => record.replace(/^\S+\s+(?:\d+\s+)?(?:IN\s+)?\S+\s+/, "");

export async function explain(call: Call): Promise<ExitCode> {
  const body = await asked(call, "explain");
  const format = formatOf(call);
  call.shell.print(format === undefined ? shortened(outline(told(body)).join("\n")) : formatOne(body, format));
  return EXIT.done;
}

/** Without what there is none of: who reads why has enough to read. */
function told(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== "object" || value === null) return value;
  const some = Object.entries(value).filter(([, field]) => !(Array.isArray(field) && field.length === 0));
  return Object.fromEntries(some.map(([name, field]) => [name, told(field)]));
}

async function asked(call: Call, what: "query" | "explain"): Promise<Readonly<Record<string, unknown>>> {
  const [name = "", type = "A"] = call.words;
  const client = agentOf(call);
  const sandbox = (call.options["from"] as string | undefined) ?? (await theOnlySandbox(client));
  try {
    const asking = { query: { name, type: type.toUpperCase() } };
    return (await client.ask("GET", pathTo("sandboxes", sandbox, what), asking)).body;
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 404) throw error;
    throw await suggesting(client, NOUNS.sandbox, sandbox, error);
  }
}

/** Where there is one, nobody else can be meant. */
async function theOnlySandbox(client: Client): Promise<string> {
  const { body } = await client.ask("GET", pathTo("sandboxes"));
  const ids = list(body["items"]).map(({ id }) => `${id}`);
  if (ids.length === 1) return ids[0]!;
  const which =
    ids.length === 0
      ? "there is no sandbox yet"
      : `there are ${ids.slice(0, 8).map(plain).join(", ")}${ids.length > 8 ? ", …" : ""}`;
  throw new UsageError(`who asks? --from SANDBOX (${which})`);
}
