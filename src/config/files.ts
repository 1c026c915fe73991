/** Which files a config is written in, and what they say: a file, all those of a directory, or standard input ("-"). */
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";

/** Standard input, as it is named in a command and in messages. */
export const STANDARD_INPUT = "-";

/** A file that was read, or why it could not be. */
export interface FileText {
  /** As people named it: for messages. */
  readonly file: string;
  /** Its absolute path, or "-". */
  readonly source: string;
  readonly text: string;
  readonly problem?: string;
}

/**
 * What each file says, every one once, in the order of the paths and of the names in a directory. Never rejects. `before` has what could
 * be read only once.
 */
export async function readFiles(
  paths: readonly string[],
  before: ReadonlyMap<string, FileText> = new Map(),
): Promise<FileText[]> {
  const found = new Map<string, FileText>();
  for (const path of paths)
    for (const file of await filesAt(path)) {
      const source = sourceOf(file);
      if (!found.has(source)) found.set(source, before.get(source) ?? { file, source, ...(await read(file)) });
    }
  return [...found.values()];
}

/** Those of the files that are no files: standard input, pipes. By source. */
export async function readOnce(texts: readonly FileText[]): Promise<Map<string, FileText>> {
  const once = new Map<string, FileText>();
  for (const text of texts) {
    const is = text.source === STANDARD_INPUT ? undefined : await stat(text.file).catch(() => undefined);
    if (text.source === STANDARD_INPUT || (is && !is.isFile() && !is.isDirectory())) once.set(text.source, text);
  }
  return once;
}

/** The files that a path stands for: those of a directory by name, without hidden ones and what editors leave; else the path itself. */
export async function filesAt(path: string): Promise<string[]> {
  if (path === STANDARD_INPUT) return [path];
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    return (await readdir(path))
      .filter((name) => CONFIG_NAME.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch {
    return [path]; // reading it says why
  }
}

/** A hidden one may be an editor's lock, or Kubernetes' "..data". */
const CONFIG_NAME = /^[^.].*\.(yaml|yml|json)$/;

export const sourceOf = (file: string): string => (file === STANDARD_INPUT ? file : resolve(file));

async function read(file: string): Promise<Pick<FileText, "text" | "problem">> {
  try {
    const octets = file === STANDARD_INPUT ? await readInput() : await readFile(file);
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(octets) };
  } catch (error) {
    return { text: "", problem: REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? String(error) };
  }
}

async function readInput(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part);
  return Buffer.concat(parts);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read by this user",
  EISDIR: "it is a directory",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8",
};
