/** `eleven config check` and `eleven config schema`. */
import { configJsonSchema } from "../config/json-schema.ts";
import { loadConfig } from "../config/load.ts";
import { Registry } from "../registry/registry.ts";
import { print } from "./print.ts";
import { applyConfig } from "./serve.ts";

/** Loads the file and puts it into a registry, as `serve` would, but opens nothing. */
export async function checkConfig(file: string): Promise<number> {
  const config = await loadConfig(file);
  const registry = new Registry();
  applyConfig(registry, config);
  const { networks, services, tasks, containers, sandboxes } = registry.state;
  const counts = Object.entries({ networks, services, tasks, containers, sandboxes }).map(([k, v]) => `${v.size} ${k}`);
  print(`${file}: good (${counts.join(", ")})`);
  return 0;
}

export function printSchema(): number {
  print(JSON.stringify(configJsonSchema(), null, 2));
  return 0;
}
