/** What was given with `create` or `update` as the body of a write. */
import type { Given } from "../client/call.ts";
import type { Json } from "../text/json.ts";
import { UsageError } from "../usage.ts";
import type { Draft, Flag } from "./filling.ts";
import type { Kind } from "./nouns.ts";
import { FLAGS } from "./object-flags.ts";

/** `now`: the object as it is, if there is one. Throws a UsageError that names the flag. */
export function draftOf(kind: Kind, verb: "create" | "update", given: Given, now: Json = {}): Draft {
  const draft: Draft = {};
  for (const flag of flagsFor(kind, verb)) {
    const value = given[attribute(flag)];
    for (const text of Array.isArray(value) ? value : value === undefined ? [] : [value]) fill(flag, draft, text, now);
  }
  for (const field of (given["unset"] as readonly string[] | undefined) ?? []) draft[field] = null;
  return draft;
}

export const flagsFor = (kind: Kind, verb: "create" | "update"): readonly Flag[] =>
  FLAGS[kind].filter(({ only = verb }) => only === verb);

/** "publishAdd" for "-p, --publish-add <PORT>". */
export const attribute = ({ flags }: Flag): string =>
  /--([\w-]+)/.exec(flags)![1]!.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

function fill(flag: Flag, draft: Draft, text: string | true, now: Json): void {
  try {
    flag.into(draft, String(text), now);
  } catch (error) {
    if (!(error instanceof UsageError) || error.message.startsWith("--")) throw error;
    throw new UsageError(`${/--[\w-]+/.exec(flag.flags)}: ${error.message}`);
  }
}
