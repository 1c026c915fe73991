/** Where each object of a config is written, as "/etc/eleven/eleven.yaml:12". */
import type { Config } from "../config/options.ts";
import { putOf } from "./objects.ts";

/** By "kind id". */
export function placesIn({ changes, problem }: Config): ReadonlyMap<string, string> {
  return new Map(
    changes.map((change, i) => {
      const { kind, id } = putOf(change, i);
      const { source } = (change as unknown as Readonly<Record<string, { readonly source?: string }>>)[kind]!;
      return [`${kind} ${id}`, `${source}:${problem(i, "").problems[0]!.line}`];
    }),
  );
}
