/** Which services were touched since someone last looked: all that a plan has to look at again, as long as nothing was missed. */
import type { ReadonlyState, ServiceId, Touched } from "../../model/types.ts";

/** What one batch of changes came to (the registry's `Applied`). */
export interface Told {
  readonly revision: number;
  readonly touched: Pick<Touched, "services" | "tasksOf">;
}

/** Ids that are remembered. Who has not looked for longer looks at every service. */
const MOST = 8_192;

export class TouchedServices {
  #ids: ServiceId[] = [];
  /** How many ids came before these. */
  #before = 0;
  /** The batch that we were told of last. */
  #revision = Number.NaN;

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
    if (this.#ids.length > MOST) this.#forget();
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
