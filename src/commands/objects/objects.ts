/** `ls`, `inspect`, `create`, `update` and `rm` of every kind of object. */
import { DEFAULT_NODE } from "../../model/defaults.ts";
import { agentOf, type Call, formatOf } from "../client/call.ts";
import { type Client, pathTo } from "../client/client.ts";
import { filterQuery } from "../client/filters.ts";
import { Refusal } from "../client/problem.ts";
import { unlessChanged, write } from "../client/write.ts";
import { EXIT, type ExitCode, Failure } from "../exit.ts";
import { type Json, list } from "../text/json.ts";
import { formatOne, formatRows } from "../text/output-format.ts";
import { plain, plainJson } from "../text/plain.ts";
import { UsageError } from "../usage.ts";
import { draftOf } from "./draft.ts";
import type { Draft } from "./filling.ts";
import { isUnknown, objectNamed, suggesting } from "./find.ts";
import type { Noun, Row } from "./nouns.ts";
import { idsFrom, leaving, withIds } from "./references.ts";
import { createWithTasks } from "./scale.ts";

export async function listObjects(call: Call, noun: Noun): Promise<ExitCode> {
  const { shell, options } = call;
  const client = agentOf(call);
  const format = formatOf(call);
  const { body } = await client.ask("GET", pathTo(noun.plural), { query: filterQuery(options["filter"]) });
  let rows = list(body["items"]) as readonly Row[];
  if (options["quiet"] === true) {
    for (const { id } of rows) shell.print(plain(`${id}`));
    return EXIT.done;
  }
  if (noun.kind === "service" && showsReplicas(format)) rows = await withTasks(client, rows);
  const text = formatRows(rows, noun.columns, format, { whole: options["trunc"] === false });
  if (text !== "") shell.print(text);
  return EXIT.done;
}

/** Tasks may be many: they are fetched if somebody will see them. */
const showsReplicas = (format = ""): boolean =>
  format === "" || format === "table" || /\.(replicas|tasks)\b/i.test(format);

async function withTasks(client: Client, services: readonly Row[]): Promise<Row[]> {
  const { body } = await client.ask("GET", pathTo("tasks"));
  const tasks = groupByService(list(body["items"]));
  return services.map((service) => ({ ...service, tasks: tasks.get(service.id) ?? [] }));
}

/** All that are there; of those that are not, it is said. */
export async function inspectObjects(call: Call, noun: Noun): Promise<ExitCode> {
  const [found, code] = await each(call, (name) => objectNamed(agentOf(call), noun, name));
  const format = formatOf(call) ?? "json";
  if (format === "json")
    call.shell.print(
      plainJson(
        found.map(({ object }) => object),
        2,
      ),
    );
  else for (const { object } of found) call.shell.print(formatOne(object, format));
  return code;
}

export async function createObject(call: Call, noun: Noun): Promise<ExitCode> {
  const draft = await withIds(draftOf(noun.kind, "create", call.options), {}, idsFrom(agentOf(call)));
  const name = call.words[0] ?? nameFor(noun, draft);
  const { replicas } = call.options;
  const { code, body } =
    replicas === undefined
      ? await write(call, "PUT", pathTo(noun.plural, name), { body: draft, ifNoneMatch: "*" }).catch((error) => {
          throw error instanceof Refusal && error.status === 412 ? isThere(noun, name) : error;
        })
      : await createWithTasks(call, name, draft, () => isThere(noun, name));
  tellWritten(call, body, `${(body["object"] as Json | undefined)?.["id"] ?? name}`);
  return code;
}

export async function updateObject(call: Call, noun: Noun): Promise<ExitCode> {
  const name = call.words[0]!;
  const idOf = idsFrom(agentOf(call));
  const networkRm = await leaving(call.options["networkRm"], idOf);
  const { code, body } = await unlessChanged(async () => {
    const { object, etag } = await objectNamed(agentOf(call), noun, name);
    const patch = await withIds(draftOf(noun.kind, "update", { ...call.options, networkRm }, object), object, idOf);
    if (Object.keys(patch).length === 0)
      throw new UsageError(`nothing to change; eleven ${noun.kind} update --help lists what can be`);
    return write(call, "PATCH", pathTo(noun.plural, `${object["id"]}`), { body: patch, ifMatch: etag });
  });
  tellWritten(call, body, name);
  return code;
}

export async function removeObjects(call: Call, noun: Noun): Promise<ExitCode> {
  const client = agentOf(call);
  const [written, code] = await each(call, async (name) => {
    try {
      const done = await write(call, "DELETE", pathTo(noun.plural, name));
      call.shell.print(plain(name));
      return done;
    } catch (error) {
      if (!isUnknown(error)) throw error;
      if (call.options["force"] === true) return { code: EXIT.done };
      throw await suggesting(client, noun, name, error);
    }
  });
  return code === EXIT.done ? (written.find((one) => one.code !== EXIT.done)?.code ?? code) : code;
}

/** For each word in turn; what fails is said, and the others are done all the same. The code is that of the first that failed. */
async function each<T>(
  { words, shell }: Call,
  act: (word: string) => Promise<T>,
): Promise<[done: T[], code: ExitCode]> {
  const done: T[] = [];
  let code: ExitCode = EXIT.done;
  for (const word of words) {
    try {
      done.push(await act(word));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      shell.complain(`eleven: ${error.message}`);
      if (code === EXIT.done) code = error.code;
    }
  }
  return [done, code];
}

const isThere = ({ kind }: Noun, name: string): Failure =>
  new Failure(EXIT.conflict, `there is a ${kind} ${name} already; eleven ${kind} update ${name} changes it`);

/** The id that the registry would give it. */
function nameFor({ kind }: Noun, { service, slot, node, member }: Draft): string {
  const own =
    kind === "sandbox" ? (member as Json | undefined)?.["id"] : service && `${service}.${slot ?? node ?? DEFAULT_NODE}`;
  if (own !== undefined) return `${own}`;
  throw new UsageError(
    kind === "sandbox"
      ? "a sandbox is somebody's: --container NAME or --task ID"
      : "a task is of a service: --service NAME",
  );
}

function tellWritten({ shell, options }: Call, body: Json, otherwise: string): void {
  if (options["dryRun"] === true) shell.print(plainJson(body["object"] ?? body["objects"] ?? body, 2));
  else shell.print(plain(otherwise));
}

function groupByService(tasks: readonly Json[]): Map<unknown, Json[]> {
  const groups = new Map<unknown, Json[]>();
  for (const task of tasks) {
    const group = groups.get(task["service"]);
    if (group === undefined) groups.set(task["service"], [task]);
    else group.push(task);
  }
  return groups;
}
