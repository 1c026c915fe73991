/** An object by its id or name; of one that is not there, what may have been meant. */
import { type Client, pathTo } from "../client/client.ts";
import { Refusal } from "../client/problem.ts";
import { closest } from "../text/closest.ts";
import { type Json, list } from "../text/json.ts";
import { SHORT } from "../text/output-format.ts";
import { plain } from "../text/plain.ts";
import type { Noun } from "./nouns.ts";

/** The object by its id or name, and the revision that it is at. */
export async function objectNamed(
  client: Client,
  noun: Noun,
  name: string,
): Promise<{ object: Json; etag: string | undefined }> {
  try {
    const { body, etag } = await client.ask("GET", pathTo(noun.plural, name));
    return { object: body, etag };
  } catch (error) {
    throw isUnknown(error) ? await suggesting(client, noun, name, error) : error;
  }
}

export const isUnknown = (error: unknown): error is Refusal => error instanceof Refusal && error.status === 404;

/** The refusal, with the next step. */
export async function suggesting(client: Client, noun: Noun, name: string, error: Refusal): Promise<Refusal> {
  const { body } = await client.ask("GET", pathTo(noun.plural));
  const names = list(body["items"]).flatMap((item) => [item["name"], item["id"]].filter((n) => typeof n === "string"));
  if (names.includes(name)) return error; // it is there, and the error is about something else
  const like = begun(name, names) ?? closest(name, names);
  const next = like === undefined ? `eleven ${noun.kind} ls lists them` : `did you mean ${plain(like)}?`;
  return new Refusal(error.code, `${error.message}; ${next}`, error.status);
}

/** docker's short form of an id, as tables show it. */
function begun(name: string, ids: readonly string[]): string | undefined {
  const fit = ids.filter((id) => id.startsWith(name));
  return name.length >= SHORT && fit.length === 1 ? fit[0] : undefined;
}
