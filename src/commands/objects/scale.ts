/** How many tasks a service has: `service create --replicas` and `service scale`. Slots are filled from 1, and the highest leave first. */
import { agentOf, type Call } from "../client/call.ts";
import { type Client, pathTo } from "../client/client.ts";
import { unlessChanged, type Written, write } from "../client/write.ts";
import { EXIT, type ExitCode, type Failure } from "../exit.ts";
import { type Json, list } from "../text/json.ts";
import { UsageError } from "../usage.ts";
import type { Draft } from "./filling.ts";
import { objectNamed } from "./find.ts";
import { NOUNS } from "./nouns.ts";

/** The service with its tasks, or nothing of it. */
export function createWithTasks(call: Call, name: string, draft: Draft, isThere: () => Failure): Promise<Written> {
  const replicas = count(`${call.options["replicas"]}`, "--replicas");
  const changes = [
    { kind: "service.put", service: { ...draft, name } },
    ...slots(1, replicas).map((slot) => put(name, slot)),
  ];
  return unlessChanged(async () => {
    const { body } = await agentOf(call).ask("GET", pathTo("services"), { query: { name } });
    if (list(body["items"]).length > 0) throw isThere();
    return write(call, "POST", pathTo("changes"), { body: { changes }, ifMatch: `"${body["revision"]}"` });
  });
}

/** Each word is NAME=COUNT; all of them, or none. */
export async function scaleServices(call: Call): Promise<ExitCode> {
  const wanted = call.words.map((word): [name: string, replicas: number] => {
    const at = word.lastIndexOf("=");
    if (at <= 0)
      throw new UsageError(`must be SERVICE=REPLICAS, not ${word}; eleven service scale web=5 is an example`);
    return [word.slice(0, at), count(word.slice(at + 1), word)];
  });
  const client = agentOf(call);
  const changes: Json[] = [];
  for (const [name, replicas] of wanted) changes.push(...(await scaling(client, name, replicas)));
  const { code } =
    changes.length === 0 ? { code: EXIT.done } : await write(call, "POST", pathTo("changes"), { body: { changes } });
  for (const [name, replicas] of wanted)
    call.shell.print(`${name} ${call.options["dryRun"] ? "would be" : "is"} scaled to ${replicas}`);
  return code;
}

async function scaling(client: Client, name: string, replicas: number): Promise<Json[]> {
  const { object } = await objectNamed(client, NOUNS.service, name);
  const service = `${object["id"]}`;
  const { body } = await client.ask("GET", pathTo("tasks"), { query: { service } });
  const tasks = list(body["items"])
    .filter((task) => task["slot"] !== undefined)
    .sort((a, b) => Number(a["slot"]) - Number(b["slot"]));
  const taken = new Set(tasks.map((task) => Number(task["slot"])));
  const free = slots(1, replicas + taken.size).filter((slot) => !taken.has(slot));
  return [
    ...tasks.slice(replicas).map(({ id }) => ({ kind: "task.remove", id })),
    ...free.slice(0, Math.max(0, replicas - tasks.length)).map((slot) => put(service, slot)),
  ];
}

const put = (service: string, slot: number): Json => ({ kind: "task.put", task: { service, slot } });

const slots = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** What the API takes in one batch is bounded by octets; a service with more tasks is a slip of the finger. */
const MOST = 100_000;

function count(text: string, where: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > MOST)
    throw new UsageError(`${where}: the number of tasks must be 0 to ${MOST}, not ${text}`);
  return number;
}
