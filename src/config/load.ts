/** A config, read and checked as a whole: every problem at once, or a Config. */
import type { ChangeInput } from "../model/input.ts";
import { convertObjects, convertOptions, type Located } from "./convert.ts";
import { type FileText, readFiles } from "./files.ts";
import { type Merged, merge } from "./merge.ts";
import type { Config } from "./options.ts";
import { readPart } from "./part.ts";
import { ConfigError, type Path, type Problem } from "./problems.ts";
import type { ConfigFile } from "./schema.ts";
import { checkUnique } from "./unique.ts";

export { ConfigError } from "./problems.ts";

export interface LoadOptions {
  /** What a command line says beside the files: takes what was read and gives what is meant. */
  readonly amend?: (read: ConfigFile) => ConfigFile;
  /**
   * "serve": the sandboxes of the files are all there are, so one of them must listen. "agent": more may come, and be balanced.
   * Missing: as "serve", but nothing has to listen.
   */
  readonly use?: "serve" | "agent" | undefined;
}

/** A config of which something may be wrong. */
export interface Draft {
  /** What is right of it. */
  readonly config: Config;
  readonly problems: readonly Problem[];
  /** Whether the object ("network", "front") may be missing only because something is wrong with it. */
  left(kind: string, name: string): boolean;
}

/** Of a file, a directory or standard input ("-"), or several of them. Rejects with a ConfigError if anything is wrong. */
export async function loadConfig(path: string | readonly string[], options: LoadOptions = {}): Promise<Config> {
  return must(await readDraft(path, options));
}

/** The same for whoever has more to say of it than what is wrong here. Never rejects. */
export async function readDraft(path: string | readonly string[], options: LoadOptions = {}): Promise<Draft> {
  const paths = typeof path === "string" ? [path] : path;
  return draftOf(await readFiles(paths), paths.join(", "), process.env, options);
}

/** YAML (and so JSON) to a Config; throws a ConfigError. `file` is for messages only. */
export function parseConfig(text: string, file = "config", environment: NodeJS.ProcessEnv = process.env): Config {
  return must(draftOf([{ file, source: "", text }], file, environment, {}));
}

function must({ config, problems }: Draft): Config {
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

export function draftOf(
  texts: readonly FileText[],
  called: string,
  environment: NodeJS.ProcessEnv,
  { amend, use }: LoadOptions,
): Draft {
  const parts = texts.map((text) => readPart(text, environment));
  const merged = merge(parts.length > 0 ? parts : [readPart({ file: called, source: "", text: "" }, {})]);
  const lost = new Set(parts.flatMap((part) => part.left).map((of) => of.join("\0")));
  const left = (kind: string, name: string): boolean => lost.has(kind) || lost.has(`${kind}\0${name}`);
  const problems = [...parts.flatMap((part) => part.problems), ...merged.problems];
  const meant = amend === undefined ? merged.values : problems.length > 0 ? {} : amend(merged.values);
  const objects = objectsOf(meant, merged, problems, left);
  const config = configOf(meant, merged, objects, { file: called, files: texts.map((t) => t.source), use });
  const unsure = parts.some((part) => part.left.some(([kind]) => kind === "sandbox"));
  if (use === "serve" && !unsure && !listens(meant))
    problems.push({ file: called, line: 0, column: 0, path: [], message: NOTHING_LISTENS });
  return { config, problems, left };
}

/** One with a namespace listens there; one without says where. */
const listens = ({ sandboxes = {} }: ConfigFile): boolean =>
  Object.values(sandboxes).some(({ netns, listen = [] }) => netns !== undefined || [listen].flat().length > 0);

const NOTHING_LISTENS = "nothing listens: a sandbox needs a netns, or an address to listen on";

/** What is missing only because something is wrong with it is complained of there. */
function objectsOf(meant: ConfigFile, merged: Merged, problems: Problem[], left: Draft["left"]): Located[] {
  const complain = (path: Path, message: string, missing?: readonly [string, string]): void => {
    if (missing === undefined || !left(...missing)) problems.push(merged.partOf(path).problem(path, message));
  };
  const objects = convertObjects(meant, complain);
  checkUnique(objects, complain, merged.called);
  return objects;
}

function configOf(
  meant: ConfigFile,
  merged: Merged,
  objects: readonly Located[],
  { file, files, use }: Pick<Config, "file" | "files"> & Pick<LoadOptions, "use">,
): Config {
  return {
    file,
    files,
    options: convertOptions(meant, use === "agent"),
    changes: objects.map(({ change, path }) => written(change, merged.partOf(path).source)),
    problem: (index, message) => {
      const path = objects[index]?.path ?? [];
      return new ConfigError([merged.partOf(path).problem(path, message, true)]);
    },
  };
}

/** Which file it is in goes with the object; it was made here, and nobody else has it yet. */
function written(change: ChangeInput, source: string): ChangeInput {
  if (source === "" || !change.kind.endsWith(".put")) return change;
  const object = (change as unknown as Readonly<Record<string, object>>)[change.kind.replace(".put", "")]!;
  Object.assign(object, { source });
  return change;
}
