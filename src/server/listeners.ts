/** Listening addresses and who is behind each; several sandboxes may share one. The same for every data plane. */
import type { Listen, SandboxId } from "../model/types.ts";
import type { Bound, Place } from "./data-plane.ts";
import { Senders } from "./senders.ts";

/** What a data plane does with a listening address. */
export interface Opener {
  /** Opens UDP and TCP and starts to answer. */
  open(at: Listen, place: Place, senders: Senders): Promise<Listening>;
}

export interface Listening {
  readonly port: number;
  /** Other sandboxes are behind it now. */
  changed(): void;
  close(): Promise<void>;
}

interface Binding {
  readonly senders: Senders;
  readonly listening: Listening;
  readonly at: Bound;
}

export class Listeners {
  readonly #opener: Opener;
  readonly #bindings = new Map<string, Binding>();

  constructor(opener: Opener) {
    this.#opener = opener;
  }

  /** Opens all of them; if one can't be, none, and rejects with its error. */
  async attach(sandbox: SandboxId, listen: readonly Listen[], place: Place): Promise<readonly Bound[]> {
    const bound: Bound[] = [];
    try {
      for (const one of listen) bound.push(await this.#listen(sandbox, one, place));
    } catch (error) {
      await this.detach(sandbox);
      throw error;
    }
    return bound;
  }

  /** Closes what only this sandbox listens on, all of it; then rejects with the first error, if there was one. */
  async detach(sandbox: SandboxId): Promise<void> {
    const problems: unknown[] = [];
    for (const [name, { senders, listening }] of this.#bindings) {
      if (!senders.remove(sandbox)) continue;
      if (!senders.empty) listening.changed();
      else {
        this.#bindings.delete(name);
        await listening.close().catch((error: unknown) => problems.push(error));
      }
    }
    if (problems.length > 0) throw problems[0];
  }

  async close(): Promise<void> {
    const all = [...this.#bindings.values()];
    this.#bindings.clear();
    await Promise.all(all.map((b) => b.listening.close()));
  }

  async #listen(sandbox: SandboxId, listen: Listen, place: Place): Promise<Bound> {
    const { address, port, source } = listen;
    const name = (actual: number) => `${place.netns ?? ""} ${address} ${actual}`;
    const known = port === 0 ? undefined : this.#bindings.get(name(port));
    if (known !== undefined) {
      known.senders.add(sandbox, source);
      known.listening.changed();
      return known.at;
    }
    const senders = new Senders();
    senders.add(sandbox, source);
    const listening = await this.#opener.open(listen, place, senders);
    const at = { address, port: listening.port };
    this.#bindings.set(name(at.port), { senders, listening, at });
    return at;
  }
}
