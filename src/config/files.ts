/** Which files a config is written in, and what they say: a file, all those of a directory, or standard input ("-"). */
import { constants, createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
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
export async function readFiles(paths: readonly string[], before?: ReadonlyMap<string, FileText>): Promise<FileText[]> {
  const found = new Map<string, FileText>();
  for (const path of paths)
    for (const file of await filesAt(path)) {
      const source = sourceOf(file);
      const pipes = before === undefined && file === path; // read once, at the start, and where somebody asks for it
      if (!found.has(source)) found.set(source, before?.get(source) ?? { file, source, ...(await read(file, pipes)) });
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

async function read(file: string, pipes: boolean): Promise<Pick<FileText, "text" | "problem">> {
  try {
    const octets = await bounded(file === STANDARD_INPUT ? process.stdin : await opened(file, pipes));
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(octets) };
  } catch (error) {
    if (error instanceof Unreadable) return { text: "", problem: error.message };
    return { text: "", problem: REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? String(error) };
  }
}

/** What is no file may never end, or never begin: a pipe that nobody writes to holds up whoever opens it. */
async function opened(file: string, pipes: boolean): Promise<AsyncIterable<Buffer>> {
  if (pipes && !(await stat(file)).isFile()) return createReadStream(file);
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const is = await handle.stat();
  if (is.isFile()) return handle.createReadStream();
  await handle.close();
  throw new Unreadable(is.isDirectory() ? REASONS["EISDIR"] : "it is no file");
}

/** Octets. A hundred thousand tasks are a tenth of it. */
const MOST = 64 << 20;

async function bounded(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream) {
    length += part.length;
    if (length > MOST) throw new Unreadable(`it is longer than ${MOST >> 20} MiB`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

class Unreadable extends Error {}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read by this user",
  EISDIR: "it is a directory",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8",
};
