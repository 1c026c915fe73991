/**
 * Clients that listen to events. Each is written to as fast as it reads, out of the log that all share; one that falls behind what the log
 * still has is cut off, and comes back for where it was, or starts anew.
 */
import type { ServerResponse } from "node:http";
import type { EventLog } from "./event-log.ts";
import { Problem } from "./problem.ts";

/** A connection each. */
const MOST = 32;
/** Milliseconds between signs of life, where nothing happens. */
const BEAT = 15_000;

export class EventReaders {
  readonly #log: EventLog;
  readonly #readers = new Set<Reader>();

  constructor(log: EventLog) {
    this.#log = log;
  }

  get size(): number {
    return this.#readers.size;
  }

  /** From what came after the change of this revision; missing: from now on. Throws a Problem. */
  open(outgoing: ServerResponse, since: number | undefined): void {
    const place = since === undefined ? this.#log.end : this.#log.since(since);
    if (place === undefined)
      throw new Problem(
        "gone",
        `events since revision ${since} are not there any more; now it is ${this.#log.revision}: list again, and go on from there`,
      );
    if (this.#readers.size >= MOST)
      throw new Problem("busy", `${MOST} clients listen already`, { headers: { "retry-after": "10" } });
    const reader = new Reader(this.#log, outgoing, place);
    this.#readers.add(reader);
    outgoing.once("close", () => {
      reader.end();
      this.#readers.delete(reader);
    });
  }

  close(): void {
    for (const reader of this.#readers) reader.end();
  }
}

class Reader {
  readonly #log: EventLog;
  readonly #outgoing: ServerResponse;
  readonly #unsubscribe: () => void;
  readonly #beat: NodeJS.Timeout;
  #place: number;
  /** It has not read what it was given last. */
  #full = false;

  constructor(log: EventLog, outgoing: ServerResponse, place: number) {
    this.#log = log;
    this.#outgoing = outgoing;
    this.#place = place;
    outgoing.on("error", () => {}); // "close" follows
    outgoing.on("drain", () => {
      this.#full = false;
      this.#goOn();
    });
    outgoing.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    this.#write(`retry: 1000\n: revision ${log.revision}\n\n`);
    this.#unsubscribe = log.subscribe(() => this.#goOn());
    this.#beat = setInterval(() => this.#full || this.#write(":\n\n"), BEAT).unref();
    this.#goOn();
  }

  end(): void {
    this.#unsubscribe();
    clearInterval(this.#beat);
    this.#outgoing.end();
  }

  #goOn(): void {
    if (this.#place < this.#log.start) this.#outgoing.destroy();
    while (!this.#full && !this.#outgoing.destroyed) {
      const text = this.#log.at(this.#place);
      if (text === undefined) return;
      this.#place++;
      this.#write(text);
    }
  }

  #write(text: string): void {
    if (!this.#outgoing.write(text)) this.#full = true;
  }
}
