/** --filter KEY=VALUE, as the API's lists take it. */
import { closest } from "../text/closest.ts";
import { UsageError } from "../usage.ts";

const KEYS = ["label", "name", "network", "service", "source"];

export function filterQuery(given: unknown): Record<string, string[]> {
  const query: Record<string, string[]> = {};
  for (const [key, value] of filterPairs(given, KEYS))
    query[key] = [...(query[key] ?? []), key === "source" && value === "api" ? "" : value];
  return query;
}

/** Throws a UsageError where the key is none of these. */
export function filterPairs(given: unknown, keys: readonly string[]): [key: string, value: string][] {
  return ((given ?? []) as readonly string[]).map((text) => {
    const [, key, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined) throw new UsageError(`--filter: must be KEY=VALUE, not ${text}`);
    if (keys.includes(key)) return [key, value];
    const like = closest(key, keys);
    throw new UsageError(
      `--filter: there is no ${key}; ${like ? `did you mean ${like}?` : `there are ${keys.join(", ")}`}`,
    );
  });
}
