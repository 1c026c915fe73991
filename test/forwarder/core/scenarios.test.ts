import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { play } from "./play.ts";

// One file a subject, one "== name" a scenario. The vocabulary is described in play.ts.
const folder = join(import.meta.dirname, "scenarios");

describe.each(readdirSync(folder).sort())("%s", (file) => {
  const scenarios = readFileSync(join(folder, file), "utf8").split(/^== /m).slice(1);
  test.each(scenarios.map((s) => s.split("\n")))("%s", (_name, ...lines) => play(lines));
});
