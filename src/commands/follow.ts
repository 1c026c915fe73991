/** `eleven events`: what happens in the agent, a line each, as it happens. */
import { agentOf, type Call, formatOf } from "./client/call.ts";
import type { StreamEvent } from "./client/event-stream.ts";
import { filterPairs } from "./client/filters.ts";
import { EXIT, type ExitCode } from "./exit.ts";
import { type Json, list } from "./text/json.ts";

import { plain, plainJson } from "./text/plain.ts";
import { template } from "./text/template.ts";

/** Until the agent ends, which is said. */
export async function followEvents(call: Call): Promise<ExitCode> {
  const { since } = call.options;
  const wanted = filterPairs(call.options["filter"], ["event", "kind", "id"]);
  const line = lineFor(formatOf(call));
  const query = { ...(since !== undefined && { since: String(since) }) };
  let last: string | undefined;
  for await (const event of agentOf(call).events({ query, signal: call.shell.unread })) {
    last = event.id ?? last;
    const seen = asSeen(event);
    if (wanted.every(([key, value]) => has(seen, key, value))) call.shell.print(line(seen));
  }
  if (call.shell.unread?.aborted) return EXIT.done;
  const again = last === undefined ? "" : `; eleven events --since ${last} goes on from here`;
  call.shell.complain(`eleven: eleven agent has ended, or took us for too slow${again}`);
  return EXIT.failed;
}

/** An event with its data's own fields. */
interface Seen extends Json {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Json;
}

function asSeen({ event, id, data }: StreamEvent): Seen {
  try {
    const read: unknown = JSON.parse(data);
    return { event, id, data: typeof read === "object" && read !== null ? (read as Json) : { value: read } };
  } catch {
    return { event, id, data: { value: data } };
  }
}

function has({ event, data }: Seen, key: string, value: string): boolean {
  if (key === "event") return event === value;
  return changesOf(data).some((change) =>
    key === "kind" ? kindOf(change) === value || change["kind"] === value : idOf(change) === value,
  );
}

function lineFor(format: string | undefined): (seen: Seen) => string {
  if (format === "json") return (seen) => plainJson(seen);
  if (format !== undefined && format !== "table") return template(format);
  return (seen) => plain([seen.id ?? "-", seen.event, dataText(seen)].join("  "));
}

/** "service.put web, task.put web.1", or the fields of whatever else happened. */
function dataText({ event, data }: Seen): string {
  if (event === "change")
    return changesOf(data)
      .map((change) => `${change["kind"]} ${idOf(change)}`)
      .join(", ");
  return Object.entries(data)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

const changesOf = (data: Json): readonly Json[] => list(data["changes"]);

/** "service" of "service.put". */
const kindOf = (change: Json): string => `${change["kind"]}`.replace(/\..*/, "");

/** A put has the object in it, a removal its id. */
const idOf = (change: Json): string => `${change["id"] ?? (change[kindOf(change)] as Json | undefined)?.["id"] ?? ""}`;
