/** A config file, read and checked as a whole: every problem at once, or a Config. */
import { readFile } from "node:fs/promises";
import { convertObjects, convertOptions } from "./convert.ts";
import { schemaProblems } from "./issues.ts";
import type { Config, Path } from "./options.ts";
import { ConfigError, type Problem } from "./problems.ts";
import { type ConfigFile, schema } from "./schema.ts";
import { Source } from "./source.ts";

export { ConfigError } from "./problems.ts";

/** Rejects with a ConfigError if the file can't be read or anything in it is wrong. */
export const loadConfig = (file: string): Promise<Config> => loadAmended(file, (read) => read);

/** The same, with what a command line says beside the file: `amend` takes what was read and gives what is meant. */
export async function loadAmended(file: string, amend: (read: ConfigFile) => ConfigFile): Promise<Config> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? String(error);
    throw new ConfigError([{ file, line: 0, column: 0, path: [], message: reason }]);
  }
  return parseAmended(text, file, process.env, amend);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a directory",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8",
};

/** YAML (and so JSON) to a Config; throws a ConfigError. `file` is for messages only. */
export function parseConfig(text: string, file = "config", environment: NodeJS.ProcessEnv = process.env): Config {
  return parseAmended(text, file, environment, (read) => read);
}

function parseAmended(
  text: string,
  file: string,
  environment: NodeJS.ProcessEnv,
  amend: (read: ConfigFile) => ConfigFile,
): Config {
  const source = new Source(text, file);
  const parsed = schema.safeParse(source.values(environment) ?? {});
  if (!parsed.success) throw new ConfigError(schemaProblems(parsed.error.issues, source));
  const meant = amend(parsed.data);
  const problems: Problem[] = [];
  const objects = convertObjects(meant, (path: Path, message) => problems.push(source.problem(path, message)));
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    file,
    options: convertOptions(meant),
    changes: objects.map((o) => o.change),
    problem: (index, message) => new ConfigError([source.problem(objects[index]?.path ?? [], message, true)]),
  };
}
