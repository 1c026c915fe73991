/** Everything that is wrong with an edit, each thing at its place in the files: its form, its meaning, what the registry refuses. */
import type { Draft } from "../config/load.ts";
import { ConfigError, type Problem } from "../config/problems.ts";
import type { ChangeInput } from "../model/input.ts";
import { RegistryError } from "../registry/error.ts";
import type { Missing } from "../registry/refusals.ts";
import type { Registry } from "../registry/registry.ts";
import { type Reload, reloadOf } from "./reload.ts";

/** Puts everything of the files into an empty registry. Throws a ConfigError if it can't have it. */
export function applyDraft(registry: Registry, draft: Draft): void {
  const reload = reloadOf(registry.state, draft.config.changes);
  try {
    if (draft.problems.length === 0) return void registry.apply(reload.changes);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
  throw problemsOf(draft, reload, registry);
}

/** Says all that speaks against a batch; a node and a registry do. */
export interface Refusing {
  refusals(changes: readonly ChangeInput[], missing?: Missing): readonly RegistryError[];
}

/** Of an edit that can't be had. */
export function problemsOf(draft: Draft, reload: Reload, registry: Refusing): ConfigError {
  const { config, problems } = draft;
  const refused = registry.refusals(reload.changes, (kind, id) => draft.left(kind, id));
  const all = [
    ...problems,
    ...reload.foreign.flatMap(({ index, message }) => config.problem(index, message).problems),
    ...refused.flatMap((error): readonly Problem[] => {
      const origin = reload.origins[error.index!]!;
      if (typeof origin === "number") return config.problem(origin, error.message).problems;
      if (problems.length > 0) return []; // it may be written in what could not be read
      return [
        { file: origin, line: 0, column: 0, path: [], message: `it is not written here any more: ${error.message}` },
      ];
    }),
  ];
  return new ConfigError(once(all));
}

/** A patch and a put of the same object may be refused for the same reason. */
function once(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter(({ file, line, column, message }) => {
    const key = `${file}:${line}:${column} ${message}`;
    return !seen.has(key) && seen.add(key);
  });
}
