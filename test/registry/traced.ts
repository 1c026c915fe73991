/** What strace saw of a store-writer: whether each write was on disk, and the names that lead to it, before it was acknowledged. */
import { dirname } from "node:path";

interface Call {
  readonly name: string;
  readonly words: string;
  readonly begun: boolean;
  readonly ended: boolean;
}

/** A call may be in two lines, its beginning and its end, with other threads' calls in between. */
function* callsIn(trace: string): Generator<Call> {
  const unfinished = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const [, thread = "", rest = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest);
    const [, name = "", words = ""] = resumed
      ? [undefined, resumed[1], `${unfinished.get(thread)}${resumed[2]}`]
      : (/^(\w+)\((.*)$/.exec(rest) ?? []);
    if (name === "") continue;
    const cut = words.endsWith(" <unfinished ...>");
    if (cut) unfinished.set(thread, words.slice(0, -" <unfinished ...>".length));
    yield { name, words, begun: resumed === null, ended: !cut && !/ = -1 /.test(words) };
  }
}

interface Found {
  acknowledged: number;
  synced: number;
  renamed: number;
  readonly problems: string[];
}

const CONTAINER = /\\"name\\":\\"(c\d+)\\",\\"id\\":\\"c\d+\\",\\"state\\":\\"(\w+)\\"/g;

/** `directory` is the store's. */
export function unsafe(trace: string, directory: string): Found {
  const log = `${directory}/objects.log`;
  const found: Found = { acknowledged: 0, synced: 0, renamed: 0, problems: [] };
  /** Containers and their states by file: written, being synced, on disk. */
  const written = new Map<string, Set<string>>();
  const syncing = new Map<string, Set<string>>();
  const onDisk = new Map<string, Set<string>>();
  /** Directories with a new name in them that may not be on disk; and what the log would say if the new one's were not. */
  const dirty = new Set<string>();
  let before: ReadonlySet<string> = new Set();
  for (const { name, words, begun, ended } of callsIn(trace)) {
    const file = /^\d+<([^>]*)>/.exec(words)?.[1] ?? "";
    if (name === "mkdir" && ended) dirty.add(dirname(/^"([^"]*)"/.exec(words)![1]!));
    if (name === "pwrite64" && ended && file.startsWith(log))
      for (const [, id, state] of words.matchAll(CONTAINER))
        written.set(file, (written.get(file) ?? new Set()).add(`${id} ${state}`));
    if (name === "fdatasync" && begun) syncing.set(file, new Set(written.get(file)));
    if (name === "fdatasync" && ended && file === log) found.synced++;
    if (name === "fdatasync" && ended) onDisk.set(file, syncing.get(file) ?? new Set());
    const replaced = name === "rename" && words.includes(`"${log}"`);
    if (replaced && begun && (written.get(`${log}.new`)?.size ?? 0) > (onDisk.get(`${log}.new`)?.size ?? 0))
      found.problems.push("a file is renamed that is not on disk");
    if (replaced && ended) {
      found.renamed++;
      before = onDisk.get(log) ?? new Set();
      for (const map of [written, onDisk]) map.set(log, map.get(`${log}.new`) ?? new Set()).delete(`${log}.new`);
      dirty.add(directory);
    }
    if (name === "fsync" && ended) dirty.delete(file);
    const id = name === "write" && begun && /^1<[^>]*>, "(c\d+ \w+) /.exec(words)?.[1];
    if (!id) continue;
    found.acknowledged++;
    if (!onDisk.get(log)?.has(id)) found.problems.push(`${id} is not on disk`);
    if (dirty.has(directory) && !before.has(id)) found.problems.push(`${id} is in a file whose name is not on disk`);
    for (const folder of dirty) if (folder !== directory) found.problems.push(`a name in ${folder} is not on disk`);
  }
  return found;
}
