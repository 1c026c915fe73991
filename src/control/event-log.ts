/**
 * What has happened, as it is written to whoever listens: the last of it, by number and by octets. Readers go through it at their own
 * pace; nothing is kept for any of them.
 */

/** "change": of state, by one revision each; the others come between these. */
export type EventName = "change" | "problem" | "upstream" | "status" | "repaired" | "config";

interface Entry {
  readonly event: EventName;
  readonly revision: number;
  /** As Server-Sent Events have it. */
  readonly text: string;
}

export interface EventLogLimits {
  readonly entries: number;
  /** Characters, which are octets but for names that are not ASCII. */
  readonly size: number;
}

const LIMITS: EventLogLimits = { entries: 10_000, size: 16 << 20 };

export class EventLog {
  readonly #limits: EventLogLimits;
  #entries: Entry[] = [];
  /** Entries before this one are let go; the array is cut now and then. */
  #head = 0;
  /** Number of the first entry in the array. */
  #base = 0;
  #size = 0;
  #revision: number;
  /** Of all changes behind this revision, there is an entry. */
  #complete: number;
  readonly #readers = new Set<() => void>();
  #told = false;

  constructor(revision: number, limits: EventLogLimits = LIMITS) {
    this.#revision = this.#complete = revision;
    this.#limits = limits;
  }

  /** That of the last change in it. */
  get revision(): number {
    return this.#revision;
  }

  /** Where the next one will be. */
  get end(): number {
    return this.#base + this.#entries.length;
  }

  add(event: EventName, data: object, revision = this.#revision): void {
    this.#revision = revision;
    const text = `id: ${revision}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#entries.push({ event, revision, text });
    this.#size += text.length;
    while (this.#entries.length - this.#head > this.#limits.entries || this.#size > this.#limits.size) this.#drop();
    if (this.#head > this.#limits.entries) this.#cut();
    if (this.#told || this.#readers.size === 0) return;
    this.#told = true;
    setImmediate(() => this.#tell()); // not in the step of the change, which has others waiting
  }

  /** The text at a place; undefined: not there yet, or (below `start`) not any more. */
  at(place: number): string | undefined {
    return place < this.start ? undefined : this.#entries[place - this.#base]?.text;
  }

  get start(): number {
    return this.#base + this.#head;
  }

  /**
   * Where to go on for one that has heard of this revision's change: what came after it and was no change may be heard twice. undefined:
   * changes have been let go since, or there was no such revision.
   */
  since(revision: number): number | undefined {
    if (revision < this.#complete || revision > this.#revision) return undefined;
    let [low, high] = [this.#head, this.#entries.length]; // revisions never fall
    const behind = (e: Entry): boolean => e.revision > revision || (e.revision === revision && e.event !== "change");
    while (low < high) {
      const middle = (low + high) >> 1;
      if (behind(this.#entries[middle]!)) high = middle;
      else low = middle + 1;
    }
    return this.#base + low;
  }

  /** Calls back some time after there is more; what it returns ends that. */
  subscribe(more: () => void): () => void {
    this.#readers.add(more);
    return () => this.#readers.delete(more);
  }

  #tell(): void {
    this.#told = false;
    for (const more of this.#readers) more();
  }

  #drop(): void {
    const { event, revision, text } = this.#entries[this.#head]!;
    this.#entries[this.#head++] = GONE;
    this.#size -= text.length;
    if (event === "change") this.#complete = revision;
  }

  #cut(): void {
    this.#entries = this.#entries.slice(this.#head);
    this.#base += this.#head;
    this.#head = 0;
  }
}

const GONE: Entry = { event: "change", revision: -1, text: "" };
