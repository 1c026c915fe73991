/**
 * Finds out whether somebody else changed our rules, by looking twice a second at something cheap that differs after any change.
 * It can't be had by listening: IPVS and legacy iptables announce nothing, and nftables announces only to open sockets in the
 * namespace, which would keep a namespace alive that everyone else has left.
 */
import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import { inNetns } from "../../../os/netns.ts";
import type { LbTarget } from "../../state.ts";

/** Milliseconds from look to look. */
const OFTEN = 500;

/** Something that is another once somebody has changed it; called in the target's namespace. */
export type Look = () => unknown;

export class Watches {
  readonly #watches = new Set<Watch>();

  /** Calls `changed` after others have changed what one of `looks` sees; returns how to stop. */
  add(target: LbTarget, looks: readonly Look[], changed: () => void): () => void {
    const watch = new Watch(target, looks, changed);
    this.#watches.add(watch);
    return () => {
      this.#watches.delete(watch);
      watch.stop();
    };
  }

  /** `work` changes the namespace itself: that is not reported. Changes by others before it are; those meanwhile are left to the next read. */
  async during(target: LbTarget, work: () => Promise<void>): Promise<void> {
    const here = [...this.#watches].filter((watch) => watch.target.netns === target.netns);
    for (const watch of here) watch.hold();
    try {
      await work();
    } finally {
      for (const watch of here) watch.resume();
    }
  }

  stop(): void {
    for (const watch of this.#watches) watch.stop();
    this.#watches.clear();
  }
}

class Watch {
  readonly target: LbTarget;
  readonly #looks: readonly Look[];
  readonly #changed: () => void;
  readonly #timer: NodeJS.Timeout;
  #known: string;
  #held = 0;

  constructor(target: LbTarget, looks: readonly Look[], changed: () => void) {
    this.target = target;
    this.#looks = looks;
    this.#changed = changed;
    this.#known = this.#look();
    this.#timer = setInterval(() => this.#compare(), OFTEN).unref();
  }

  hold(): void {
    this.#compare();
    this.#held++;
  }

  resume(): void {
    this.#known = this.#look();
    this.#held--;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #compare(): void {
    if (this.#held > 0) return;
    const known = this.#known;
    this.#known = this.#look();
    if (this.#known !== known) this.#changed();
  }

  /** "" if the namespace is gone, which whoever then reads will find out. */
  #look(): string {
    try {
      const seen = inNetns(this.target.netns, () => this.#looks.map((look) => look()).join("\n"));
      return createHash("sha1").update(seen).digest("base64");
    } catch {
      return "";
    }
  }
}

/** The addresses of the namespace's interfaces. */
export const addressesThere: Look = () =>
  Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ cidr }) => cidr));
