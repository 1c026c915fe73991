/** Which services were touched since someone last looked: all that a plan has to look at again, as long as nothing was missed. */
import type { ReadonlyState, ServiceId, Touched } from "../../model/types.ts";

/** What one batch of changes came to (the registry's `Applied`). Of what is missing, anything may have been touched. */
export interface Told {
  readonly revision: number;
  readonly touched: Pick<Touched, "services" | "tasksOf"> & Partial<Touched>;
}

/** Ids that are remembered at least, and at most. Who has not looked for longer looks at every service. */
const [LEAST, MOST] = [4_096, 8_192] as const;

export class TouchedServices {
  #ids: ServiceId[] = [];
  /** How many ids came before these. */
  #before = 0;
  /** The batch that we were told of last. */
  #revision: number;

  /** `revision`: of the state from which on everything is told. */
  constructor(revision = Number.NaN) {
    this.#revision = revision;
  }

  /** Every batch is to be told, in order; after a gap nobody knows what was touched. */
  follow({ revision, touched }: Told): void {
    if (revision !== this.#revision + 1) this.#forget();
    this.#revision = revision;
    this.add(touched.services);
    this.add(touched.tasksOf);
  }

  /** Services whose plan may be another one although nothing of theirs changed. */
  add(ids: Iterable<ServiceId>): void {
    for (const id of ids) this.#ids.push(id);
    if (this.#ids.length > MOST) this.#before += this.#ids.splice(0, this.#ids.length - LEAST).length;
  }

  /** A place in time, for `since`. */
  get now(): number {
    return this.#before + this.#ids.length;
  }

  /** What was touched since then, up to this state; undefined: it may be anything. */
  since(then: number, state: ReadonlyState): readonly ServiceId[] | undefined {
    if (state.revision !== this.#revision || then < this.#before) return undefined;
    return this.#ids.slice(then - this.#before);
  }

  /** Every place in time so far is before the ids that are remembered from now on. */
  #forget(): void {
    this.#before = this.now + 1;
    this.#ids = [];
  }
}
