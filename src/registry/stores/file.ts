/**
 * Keeps objects in a directory, for one node, over restarts. Each write is rehearsed, stored, and fed only then: nobody is ever answered
 * from what a crash could take back. Writes that wait for the disk at the same time go to it together.
 */
import type { ChangeInput } from "../../model/input.ts";
import { shown } from "../../model/issues.ts";
import { harmless, type Notice } from "../../model/notice.ts";
import type { Change } from "../../model/types.ts";
import type { Lock } from "../../os/lock.ts";
import { readAll } from "../read.ts";
import { lockStore } from "./lock-store.ts";
import { Log } from "./log.ts";
import { Objects } from "./objects.ts";
import { logIn } from "./place.ts";
import { type Feed, type OpenOptions, type Store, StoreError } from "./store.ts";

export interface FileStoreOptions {
  /** Of this user's alone; made when the store is first opened. One process at a time may have it open. */
  readonly directory: string;
  /** Changes that the log may hold beyond twice the number of objects before it is written anew. Default 10 000. */
  readonly slack?: number;
}

export function fileStore(options: FileStoreOptions): Store {
  const { directory } = options ?? {};
  if (typeof directory === "string" && directory !== "") return new FileStore(options);
  throw new TypeError(`fileStore: directory must be the path of a directory, not ${shown(directory)}`);
}

/**
 * Who wrote it may go on changing it while it waits. What can't be copied (a proxy, which may say something else the next time) is
 * read at once. Throws a RegistryError if it can't be.
 */
function copied(changes: readonly ChangeInput[]): readonly ChangeInput[] {
  try {
    return structuredClone(changes);
  } catch {
    return readAll(changes) as readonly ChangeInput[];
  }
}

interface Write {
  readonly changes: readonly ChangeInput[];
  readonly resolve: (revision: number) => void;
  readonly reject: (error: unknown) => void;
}

/** What there is while the store is open. */
interface Opened {
  readonly feed: Feed;
  readonly log: Log;
  readonly lock: Lock | undefined;
  readonly notice: Notice;
  readonly stopListening: () => void;
}

class FileStore implements Store {
  readonly #directory: string;
  readonly #slack: number;
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  /** From the call of `open` to the end of `close`. */
  #taken = false;
  #waiting: Write[] = [];
  #busy: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** The log was as long as this when it could not be written anew. */
  #triedAt = 0;

  constructor({ directory, slack = 10_000 }: FileStoreOptions) {
    this.#directory = directory;
    this.#slack = slack;
  }

  async open(feed: Feed, { signal, onNotice }: OpenOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    if (this.#taken) throw new StoreError("open", "open", `the store in ${this.#directory} is open already`);
    this.#taken = true;
    this.#opening = this.#open(feed, harmless(onNotice), signal);
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      this.#taken = false;
      throw error;
    } finally {
      this.#opening = undefined;
    }
    if (!signal?.aborted) return;
    await this.close();
    signal.throwIfAborted();
  }

  async write(changes: readonly ChangeInput[]): Promise<number> {
    if (this.#opened === undefined || this.#closing !== undefined)
      throw new StoreError("closed", "write", `the store in ${this.#directory} is not open`);
    const copy = copied(changes);
    const written = new Promise<number>((resolve, reject) => this.#waiting.push({ changes: copy, resolve, reject }));
    this.#busy ??= this.#work(this.#opened);
    return written;
  }

  close(): Promise<void> {
    if (this.#opening !== undefined)
      return this.#opening.then(
        () => this.close(),
        () => {}, // then there is nothing to close, and `open` says why
      );
    if (this.#opened !== undefined) this.#closing ??= this.#end(this.#opened);
    return this.#closing ?? Promise.resolve();
  }

  async #open(feed: Feed, notice: Notice, signal: AbortSignal | undefined): Promise<Opened> {
    const lock = lockStore(this.#directory, notice);
    try {
      const objects = new Objects();
      const log = await Log.open(logIn(this.#directory), ({ changes }) => objects.keep(changes), notice);
      try {
        if (log.doubtful) await this.#convert(log, objects, notice);
        if (log.revision > 0) feed.restore(objects.drain(), log.revision);
      } catch (error) {
        await log.close();
        throw error;
      }
      const abort = (): void => void this.close().catch((error) => notice(`the store was not closed: ${error}`));
      signal?.addEventListener("abort", abort, { once: true });
      return { feed, log, lock, notice, stopListening: () => signal?.removeEventListener("abort", abort) };
    } catch (error) {
      lock?.release();
      throw error;
    }
  }

  /** What is refused now, for want of room say, is tried again before the first write. */
  async #convert(log: Log, objects: Objects, notice: Notice): Promise<void> {
    const path = logIn(this.#directory);
    try {
      await log.replace(objects.all());
      notice(`${path} was written by an earlier release; it is converted`);
    } catch (error) {
      notice(
        `${(error as Error).message}; it was written by an earlier release, and stays as it is until the next write`,
      );
    }
  }

  async #end({ log, lock, stopListening }: Opened): Promise<void> {
    stopListening();
    await this.#busy;
    this.#opened = undefined;
    try {
      await log.close();
    } finally {
      lock?.release();
      this.#closing = undefined;
      this.#taken = false;
    }
  }

  /** Not busy any more in the very step that finds nothing left to do. */
  async #work(opened: Opened): Promise<void> {
    await undefined; // whoever writes in this step, too, is taken along
    while (this.#waiting.length > 0) {
      await this.#together(opened, this.#waiting.splice(0));
      await this.#tidy(opened);
    }
    this.#busy = undefined;
  }

  /** Those that were refused know; the others are stored all of them, or none. */
  async #together({ feed, log }: Opened, writes: readonly Write[]): Promise<void> {
    const accepted: Write[] = [];
    const batches: (readonly Change[])[] = [];
    let { revision } = feed;
    for (const [i, result] of feed.rehearse(writes.map((w) => w.changes)).entries()) {
      if ("refused" in result) {
        writes[i]!.reject(result.refused);
        continue;
      }
      accepted.push(writes[i]!);
      batches.push(result.objects);
      revision = result.revision;
    }
    const kept = batches.flat();
    try {
      if (log.doubtful) await log.replace(feed.objects());
      if (kept.length > 0) await log.append({ changes: kept, revision });
    } catch (error) {
      for (const { reject } of accepted) reject(error);
      return;
    }
    for (const { changes, resolve, reject } of accepted) {
      try {
        resolve(changes.length === 0 ? feed.revision : feed.feed(changes).revision);
      } catch (error) {
        reject(error);
      }
    }
  }

  /** A log that can't be written anew goes on growing, and it is tried again when it has grown by half. */
  async #tidy({ feed, log, notice }: Opened): Promise<void> {
    if (log.entries <= 2 * feed.size + this.#slack || log.entries <= 1.5 * this.#triedAt) return;
    this.#triedAt = 0;
    try {
      await log.replace(feed.objects());
    } catch (error) {
      this.#triedAt = log.entries;
      notice(`${(error as Error).message}; the log goes on growing`);
    }
  }
}
