/** Reads a log of changes from its beginning to its end: what is stored, what is torn, what is damaged. Nothing is changed here. */
import { type Entry, parseFirst, parseLine } from "./log-text.ts";
import { StoreError } from "./store.ts";

/** Of a FileHandle. */
interface Readable {
  read(into: Buffer, at: number, most: number, from: number): Promise<{ readonly bytesRead: number }>;
}

export interface LogRead {
  readonly version: 1 | 2;
  /** What the last line led to; 0 if nothing was stored yet. */
  readonly revision: number;
  /** Changes, however many of them are of the same object. */
  readonly entries: number;
  /** Octets up to the end of the last whole line, and behind it: what was being written when its process ended, and acknowledged to nobody. */
  readonly length: number;
  readonly torn: number;
}

/** `take` is given everything in it, in order. Throws a StoreError, "damaged" or "format", that says where. */
export async function readLog(path: string, file: Readable, take: (entry: Entry) => void): Promise<LogRead> {
  let read: Mutable<LogRead> | undefined;
  let number = 0; // of the line
  let written = 0; // lines that were there before the file had its name
  for await (const { octets, whole, last } of linesOf(file)) {
    number++;
    const refuse = (code: "damaged" | "format", why: string): StoreError =>
      new StoreError(code, "open", `${path}, line ${number}, octet ${read?.length ?? 0}: ${why}; ${LEFT}`);
    if (read === undefined) {
      const first = parseFirst(whole ? octets.toString() : "");
      if ("why" in first) throw refuse(first.code, first.why);
      written = first.lines;
      read = { version: first.version, revision: 0, entries: 0, length: octets.length + 1, torn: 0 };
      continue;
    }
    const entry = whole ? parseLine(octets.toString(), read.version, read.revision) : undefined;
    if (entry === undefined && last && number - 1 > written && (!whole || octets.includes(0))) {
      read.torn = octets.length + (whole ? 1 : 0);
      return read;
    }
    if (entry === undefined) throw refuse("damaged", "it is not what was written");
    take(entry);
    read.revision = entry.revision;
    read.entries += entry.changes.length;
    read.length += octets.length + 1;
  }
  if (read === undefined) throw new StoreError("damaged", "open", `${path} is empty, which a store never is; ${LEFT}`);
  if (number > written) return read;
  const there = `${number - 1} of ${written} lines are there that were written at once`;
  throw new StoreError("damaged", "open", `${path}, octet ${read.length}: it is cut off, ${there}; ${LEFT}`);
}

const LEFT = "the file is left as it is";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Line {
  readonly octets: Buffer;
  /** It has its end. */
  readonly whole: boolean;
  /** None comes after it. */
  readonly last: boolean;
}

const AT_A_TIME = 1 << 20;

async function* linesOf(file: Readable): AsyncGenerator<Line> {
  let rest: Buffer[] = [];
  let ready: Buffer | undefined; // held back until it is known whether another one comes
  for (let at = 0; ; ) {
    const buffer = Buffer.allocUnsafe(AT_A_TIME);
    const { bytesRead } = await file.read(buffer, 0, AT_A_TIME, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    let from = 0;
    for (let end = buffer.indexOf(10); end >= 0 && end < bytesRead; end = buffer.indexOf(10, from)) {
      if (ready !== undefined) yield { octets: ready, whole: true, last: false };
      ready = Buffer.concat([...rest, buffer.subarray(from, end)]);
      rest = [];
      from = end + 1;
    }
    if (from < bytesRead) rest.push(buffer.subarray(from, bytesRead));
  }
  if (ready !== undefined) yield { octets: ready, whole: true, last: rest.length === 0 };
  if (rest.length > 0) yield { octets: Buffer.concat(rest), whole: false, last: true };
}
