/** Several files, one config: each object and each option is written in one of them. */
import { type Part, SECTIONS } from "./part.ts";
import { type Path, type Problem, placeText } from "./problems.ts";
import type { ConfigFile } from "./schema.ts";

export interface Merged {
  readonly values: ConfigFile;
  readonly problems: readonly Problem[];
  /** The file in which a place is. */
  partOf(path: Path): Part;
  /** A place as it is told where another one is complained of: with its file and line, if there are several files. */
  called(path: Path): string;
}

/** Of what is written twice the first stays. There is at least one part. */
export function merge(parts: readonly Part[]): Merged {
  const values: Record<string, unknown> = {};
  const owners = new Map<string, Part>();
  const problems: Problem[] = [];
  const partOf = (path: Path): Part =>
    owners.get(ownerKey(path)) ?? owners.get(ownerKey(path.slice(0, 1))) ?? parts[0]!;
  const called = (path: Path): string => {
    const { file, line } = partOf(path).problem(path, "", true);
    return parts.length === 1 ? placeText(path) : `${placeText(path)} in ${file}:${line}`;
  };
  const isFirst = (part: Part, path: Path): boolean => {
    const key = ownerKey(path);
    if (!owners.has(key)) return owners.set(key, part) && true;
    const { file, line } = owners.get(key)!.problem(path, "", true);
    problems.push(part.problem(path, `is written in ${file}:${line} too; leave one of the two out`, true));
    return false;
  };
  for (const part of parts)
    for (const [key, value] of Object.entries(part.values)) {
      if (!Object.hasOwn(SECTIONS, key)) {
        if (isFirst(part, [key])) values[key] = value;
        continue;
      }
      values[key] ??= {};
      for (const [name, object] of Object.entries(value ?? {}))
        if (isFirst(part, [key, name])) (values[key] as Record<string, unknown>)[name] = object;
    }
  return { values, problems, partOf, called };
}

const ownerKey = (path: Path): string => path.slice(0, 2).join("\0");
