/** One file of a config: what it says, as far as that is right, and every problem of its form. */
import { isPlain } from "../model/issues.ts";
import type { FileText } from "./files.ts";
import { schemaProblems } from "./issues.ts";
import { ConfigError, type Path, type Problem } from "./problems.ts";
import { type ConfigFile, schema } from "./schema.ts";
import { Source } from "./source.ts";

/** The mappings whose entries are objects, and what one of these is called. */
export const SECTIONS = {
  networks: "network",
  services: "service",
  containers: "container",
  sandboxes: "sandbox",
} as const;

export interface Part {
  readonly file: string;
  readonly source: string;
  /** What is right of it. */
  readonly values: ConfigFile;
  readonly problems: readonly Problem[];
  /** Objects that are left out, because something is wrong with them, as [kind, name]; of a kind without a name all may be. */
  readonly left: readonly (readonly [kind: string, name?: string])[];
  /** A problem at a place in it; of the key there, or of what stands behind it. */
  problem(path: Path, message: string, key?: boolean): Problem;
}

export function readPart(given: FileText, environment: NodeJS.ProcessEnv): Part {
  const { file, text, problem } = given;
  if (problem !== undefined) return unreadable(given, [nowhere(file, problem)]);
  try {
    const source = new Source(text, file);
    return partOf(given, source, source.values(environment));
  } catch (error) {
    if (error instanceof ConfigError) return unreadable(given, error.problems);
    throw error;
  }
}

function partOf({ file, source }: FileText, text: Source, given: ReturnType<Source["values"]>): Part {
  const part = { file, source, problem: text.problem.bind(text) };
  const raw = given.values ?? {};
  const parsed = schema.safeParse(raw);
  if (parsed.success && given.problems.length === 0) return { ...part, values: parsed.data, problems: [], left: [] };
  const form = schemaProblems(parsed.error?.issues ?? [], text);
  const problems = [...given.problems, ...form.filter(({ path }) => !given.problems.some((p) => isIn(path, p.path)))];
  if (!isMapping(raw)) return { ...part, values: {}, problems, left: NOTHING_KNOWN };
  const rest = structuredClone(raw);
  const left = problems.map(({ path }) => leaveOut(rest, path));
  const again = schema.safeParse(rest);
  return again.success
    ? { ...part, values: again.data, problems, left }
    : { ...part, values: {}, problems, left: NOTHING_KNOWN };
}

/** What is wrong with a gap is why it is one. */
const isIn = (path: Path, around: Path): boolean => around.every((step, i) => path[i] === step);

/** Neither a list nor text, nor what YAML has beside them: octets, sets, dates. */
const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && isPlain(value);

/** Takes away what the place is in: an object, or an option. */
function leaveOut(raw: Record<string, unknown>, [section = "", name]: Path): readonly [string, string?] {
  const objects = raw[section];
  const kind = Object.hasOwn(SECTIONS, section) ? SECTIONS[section as keyof typeof SECTIONS] : "";
  if (kind === "" || name === undefined || typeof objects !== "object" || objects === null) {
    delete raw[section];
    return [kind];
  }
  Reflect.deleteProperty(objects, name); // octets (!!binary) keep theirs, for which `delete` throws
  return [kind, String(name)];
}

const NOTHING_KNOWN = Object.values(SECTIONS).map((kind) => [kind] as const);

const unreadable = ({ file, source }: FileText, problems: readonly Problem[]): Part => ({
  ...{ file, source, problems, values: {}, left: NOTHING_KNOWN },
  problem: (_, message) => nowhere(file, message),
});

const nowhere = (file: string, message: string): Problem => ({ file, line: 0, column: 0, path: [], message });
