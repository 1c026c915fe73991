/**
 * Says when somebody changes nftables' rules or addresses in a namespace, without a process, a thread or a descriptor for it: all of them
 * are heard together (hearing.ts), and what has been heard is taken with every pulse. So whoever makes thousands of changes a second is
 * one piece of news ten times a second.
 *
 * Who can't be heard is told to look for himself, twice a second: everyone on an old kernel or without the right; where a namespace is
 * gone, or not there yet; and everyone, in turn, after messages were lost because somebody made more of them than is ever read.
 */
import { OsError } from "../error.ts";
import { everyPulse, first, PULSE, Rounds } from "../rounds.ts";
import { type Heard, Hearing } from "./hearing.ts";

export type News =
  /** nftables' rules were changed, so often by now. */
  | { readonly kind: "rules"; readonly generation: number }
  /** Addresses have come or gone. */
  | { readonly kind: "addresses" }
  /** Anything may have happened, or nothing: look. */
  | { readonly kind: "unsure" };

export type Hear = (news: News) => void;

/** Tells what is new in the namespace at `netns` (missing: this thread's); returns how to stop. */
export type Listen = (netns: string | undefined, hear: Hear) => () => void;

/** To be called where this thread is at home. */
export const listen: Listen = (netns, hear) => {
  listener ??= new Listener(hearing());
  const its = listener;
  const stop = its.add(netns, hear);
  return () => {
    stop();
    if (its.empty && listener === its) listener = undefined;
  };
};

let listener: Listener | undefined;

function hearing(): Hearing | undefined {
  try {
    return new Hearing();
  } catch (error) {
    if (error instanceof OsError) return undefined;
    throw error;
  }
}

/** Milliseconds from look to look of those who must look. */
const OFTEN = 500;

interface Ear {
  readonly netns: string | undefined;
  readonly hear: Hear;
  /** The number of its namespace; while there is none, how to end its looking. */
  at: number | (() => void);
}

export class Listener {
  readonly #hearing: Pick<Hearing, "numberOf" | "take" | "close"> | undefined;
  readonly #stop: (() => void) | undefined;
  readonly #ears = new Set<Ear>();
  readonly #byNumber = new Map<number, Set<Ear>>();
  readonly #looking = new Rounds(OFTEN);
  /** Those who have yet to look since something was lost. */
  readonly #unsure = new Set<Ear>();

  /** Without anything to hear with, all must look. */
  constructor(hearing: Pick<Hearing, "numberOf" | "take" | "close"> | undefined) {
    this.#hearing = hearing;
    this.#stop = hearing && everyPulse(() => this.#tell(hearing.take()));
  }

  get empty(): boolean {
    return this.#ears.size === 0;
  }

  /** The last one that stops ends it all. */
  add(netns: string | undefined, hear: Hear): () => void {
    const ear: Ear = { netns, hear, at: NOWHERE };
    this.#ears.add(ear);
    this.#locate(ear);
    return () => {
      if (!this.#ears.delete(ear)) return;
      this.#unsure.delete(ear);
      this.#leave(ear);
      if (!this.empty) return;
      this.#stop?.();
      this.#hearing?.close();
    };
  }

  #tell({ in: places, gone, whole }: Heard): void {
    for (const [number, { generation, addresses }] of places)
      for (const ear of [...(this.#byNumber.get(number) ?? [])]) {
        if (generation !== undefined) ear.hear({ kind: "rules", generation });
        if (addresses) ear.hear({ kind: "addresses" });
      }
    for (const number of gone) for (const ear of [...(this.#byNumber.get(number) ?? [])]) this.#relocate(ear);
    if (!whole) for (const ear of this.#ears) this.#unsure.add(ear);
    for (const ear of [...first(this.#unsure, Math.ceil((this.#ears.size * PULSE) / OFTEN))]) {
      this.#unsure.delete(ear);
      ear.hear(UNSURE);
    }
  }

  /** Its number is another's by now, or will be; or there was none so far. */
  #relocate(ear: Ear): void {
    this.#leave(ear);
    this.#locate(ear);
    ear.hear(UNSURE);
  }

  #locate(ear: Ear): void {
    const number = this.#numberOf(ear);
    if (number === undefined) {
      ear.at = this.#looking.add(() => this.#look(ear));
      return;
    }
    ear.at = number;
    const there = this.#byNumber.get(number);
    if (there === undefined) this.#byNumber.set(number, new Set([ear]));
    else there.add(ear);
  }

  #look(ear: Ear): void {
    if (this.#numberOf(ear) === undefined) ear.hear(UNSURE);
    else this.#relocate(ear);
  }

  #numberOf({ netns }: Ear): number | undefined {
    try {
      return this.#hearing?.numberOf(netns);
    } catch (error) {
      if (error instanceof OsError) return undefined; // whoever looks finds out
      throw error;
    }
  }

  #leave(ear: Ear): void {
    const { at } = ear;
    if (typeof at !== "number") {
      at();
      return;
    }
    const there = this.#byNumber.get(at);
    there?.delete(ear);
    if (there?.size === 0) this.#byNumber.delete(at);
  }
}

const NOWHERE = (): void => {};
const UNSURE: News = { kind: "unsure" };
