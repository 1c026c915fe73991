/** One listening address and the sandboxes behind it, told apart by who asks. */
import { type Cidr, inCidr, parseCidr } from "../model/address.ts";
import type { Listen, SandboxId } from "../model/types.ts";

export interface Given {
  readonly sandbox: SandboxId;
  readonly source: Listen["source"];
}

/** Finds the sandbox of a packet. What a packet says is never looked at: only where it came from. */
export class Senders {
  #given: Given[] = [];
  #anyone: SandboxId | undefined;
  readonly #exact = new Map<string, SandboxId>();
  readonly #ranges: { cidr: Cidr; sandbox: SandboxId }[] = [];

  get empty(): boolean {
    return this.#anyone === undefined && this.#exact.size === 0 && this.#ranges.length === 0;
  }

  add(sandbox: SandboxId, source: Listen["source"]): void {
    this.#given.push({ sandbox, source });
    if (source === undefined) this.#anyone = sandbox;
    for (const text of source ?? []) {
      const cidr = parseCidr(text);
      if (cidr === undefined) this.#exact.set(text, sandbox);
      else this.#ranges.push({ cidr, sandbox });
    }
    this.#ranges.sort((a, b) => b.cidr.bits - a.cidr.bits); // the narrowest range wins
  }

  /** False if it was not there. */
  remove(sandbox: SandboxId): boolean {
    const before = this.#given.length;
    this.#given = this.#given.filter((g) => g.sandbox !== sandbox);
    if (this.#given.length === before) return false;
    if (this.#anyone === sandbox) this.#anyone = undefined;
    for (const [address, owner] of this.#exact) if (owner === sandbox) this.#exact.delete(address);
    this.#ranges.splice(0, this.#ranges.length, ...this.#ranges.filter((r) => r.sandbox !== sandbox));
    return true;
  }

  /** The same senders as where `given` comes from. */
  become(given: readonly Given[]): void {
    this.#given = [];
    this.#anyone = undefined;
    this.#exact.clear();
    this.#ranges.length = 0;
    for (const { sandbox, source } of given) this.add(sandbox, source);
  }

  /** What was added, for a copy on another thread. */
  get given(): readonly Given[] {
    return this.#given;
  }

  /** The sandbox that everything here is from, if it listens for all senders and no other sandbox listens for some of them. */
  get only(): SandboxId | undefined {
    return this.#exact.size === 0 && this.#ranges.length === 0 ? this.#anyone : undefined;
  }

  /** Who listens for this very address, else for the narrowest range around it, else for all; undefined: nobody. */
  find(from: string): SandboxId | undefined {
    if (this.#exact.size === 0 && this.#ranges.length === 0) return this.#anyone;
    return this.#exact.get(from) ?? this.#ranges.find((r) => inCidr(r.cidr, from))?.sandbox ?? this.#anyone;
  }
}
