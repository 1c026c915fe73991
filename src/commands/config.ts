/** `eleven config check` and `eleven config schema`. */

import { applyDraft } from "../agent/problems.ts";
import { configJsonSchema } from "../config/json-schema.ts";
import { readDraft } from "../config/load.ts";
import { Registry } from "../registry/registry.ts";
import { print } from "./print.ts";

/** Loads the files and puts them into a registry, as `serve` and `agent` would, but opens nothing. */
export async function checkConfig(file: string): Promise<number> {
  const registry = new Registry();
  applyDraft(registry, await readDraft(file));
  const { networks, services, tasks, containers, sandboxes } = registry.state;
  const counts = Object.entries({ networks, services, tasks, containers, sandboxes }).map(([k, v]) => `${v.size} ${k}`);
  print(`${file}: good (${counts.join(", ")})`);
  return 0;
}

export function printSchema(): number {
  print(JSON.stringify(configJsonSchema(), null, 2));
  return 0;
}
