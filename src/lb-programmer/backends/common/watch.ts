/**
 * Finds out whether somebody else changed our rules, addresses or settings. What nftables announces, and addresses, is heard
 * (os/netlink/listen.ts); IPVS, legacy iptables and settings announce nothing and are looked at now and then (watched.ts).
 */
import { type Listen, listen } from "../../../os/netlink/listen.ts";
import { Rounds } from "../../../os/rounds.ts";
import type { LbTarget } from "../../state.ts";
import { type Look, type OpenSettings, Watched, type WatchedOptions } from "./watched.ts";

/** Milliseconds from look to look: at rules that announce nothing, and at settings. */
const OFTEN = 500;
const SETTINGS = 4_000;

export class Watches {
  readonly #options: WatchedOptions;
  /** By the path of their namespace: of hundreds, a change is one's. */
  readonly #watched = new Map<string | undefined, Set<Watched>>();

  constructor(settings: OpenSettings, hear: Listen = listen) {
    this.#options = { settings, listen: hear, often: new Rounds(OFTEN), seldom: new Rounds(SETTINGS) };
  }

  /** Calls `changed` after others have changed what one of `looks` sees; returns how to stop. */
  add(target: LbTarget, looks: readonly Look[], changed: () => void): () => void {
    const watched = new Watched(target, looks, changed, this.#options);
    const there = this.#watched.get(target.netns) ?? new Set();
    this.#watched.set(target.netns, there.add(watched));
    return () => {
      there.delete(watched);
      if (there.size === 0 && this.#watched.get(target.netns) === there) this.#watched.delete(target.netns);
      watched.stop();
    };
  }

  /** These settings of the target matter from now on. */
  settings(target: LbTarget, keys: readonly string[]): void {
    for (const watched of this.#at(target)) if (watched.target.id === target.id) watched.mind(keys);
  }

  /**
   * `work` changes the namespace itself: that is not reported. Changes by others before it are; those meanwhile, if it resolves to how often
   * it has changed nftables' rules, where rules were changed more often. Others are left to the next read.
   */
  async during(target: LbTarget, work: () => Promise<number | undefined>): Promise<void> {
    const here = this.#at(target);
    for (const watched of here) watched.hold();
    let own: number | undefined;
    try {
      own = await work();
    } finally {
      for (const watched of here) watched.resume(own);
    }
  }

  /** Nobody else has changed anything that is watched there since it was last read. A no may be caution. */
  unchanged(target: LbTarget): boolean {
    const its = this.#at(target).find((watched) => watched.target.id === target.id);
    return its?.unchanged() ?? false;
  }

  stop(): void {
    for (const there of this.#watched.values()) for (const watched of there) watched.stop();
    this.#watched.clear();
  }

  #at({ netns }: LbTarget): Watched[] {
    return [...(this.#watched.get(netns) ?? [])];
  }
}
