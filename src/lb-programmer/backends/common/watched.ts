/** One namespace that is watched: what was known of it last, and what makes us compare. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Listen, News } from "../../../os/netlink/listen.ts";
import { nftGeneration } from "../../../os/netlink/nfnetlink.ts";
import { inNetns } from "../../../os/netns.ts";
import type { Rounds } from "../../../os/rounds.ts";
import type { LbTarget } from "../../state.ts";

/** Something that is another once somebody has changed it; called in the target's namespace. */
export type Look = () => unknown;

/** Settings of one namespace, to be read again and again. */
export interface Settings {
  /** The values of those that are there. Throws if the namespace is not. */
  read(): Readonly<Record<string, string>>;
  close(): void;
}

export type OpenSettings = (target: LbTarget, keys: readonly string[]) => Settings;

export interface WatchedOptions {
  readonly settings: OpenSettings;
  readonly listen: Listen;
  /** When to look at what announces nothing, and at settings. */
  readonly often: Rounds;
  readonly seldom: Rounds;
}

/** Milliseconds: after so long, what is heard of is asked for all the same. That takes a socket in the namespace, which is dear. */
const ASK = 300_000;

/** After a look into a container's namespace that took long, so many times as long passes until the next: he may have filled what is looked at. */
const REST = 30;

export class Watched {
  readonly target: LbTarget;
  readonly #looks: readonly Look[];
  /** Those of them at what announces nothing. */
  readonly #silent: readonly Look[];
  readonly #changed: () => void;
  readonly #options: WatchedOptions;
  readonly #known = new Map<Look, unknown>();
  readonly #leave: (() => void)[] = [];
  readonly #readSettings: Look = () => this.#settingsNow();
  #keys: readonly string[] = [];
  #settings: Settings | undefined;
  /** It has had keys. */
  #minds = false;
  #place: number | undefined;
  #deafen: () => void;
  #held = 0;
  /** Several of us have changed something at a time. */
  #shared = false;
  /** We have changed something ourselves: others may have done so in the same moment. */
  #mixed = false;
  /** When all was last looked at. */
  #asked = 0;
  /** Until then nothing is looked at that announces nothing. */
  #rests = 0;

  constructor(target: LbTarget, looks: readonly Look[], changed: () => void, options: WatchedOptions) {
    this.target = target;
    this.#looks = looks;
    this.#silent = looks.filter((look) => look !== nftGeneration && look !== addressesThere);
    this.#changed = changed;
    this.#options = options;
    this.#place = placeOf(target);
    this.#deafen = options.listen(target.netns, (news) => this.#hear(news)); // first, so that nothing comes between
    this.#differs(this.#looks);
    // Who attaches sandboxes sees to it that they are where they were. (sandbox/watch.ts)
    if (this.#silent.length > 0 || target.kind !== "sandbox") this.#leave.push(options.often.add(() => this.#look()));
  }

  /** These settings matter. */
  mind(keys: readonly string[]): void {
    if (keys.join() === this.#keys.join()) return;
    if (!this.#minds) this.#leave.push(this.#options.seldom.add(() => this.#compareSettings()));
    this.#minds = true;
    this.#keys = keys;
    this.#openSettings();
    this.#differsInSettings();
  }

  hold(): void {
    this.#compare(this.#looks);
    this.#compareSettings();
    this.#shared = this.#held++ > 0;
  }

  /** `own`: how often we have changed rules meanwhile, if that is known. */
  resume(own: number | undefined): void {
    const before = this.#known.get(nftGeneration);
    this.#differs(this.#looks);
    this.#differsInSettings();
    this.#mixed = true;
    this.#held--;
    const after = this.#known.get(nftGeneration);
    const counted = own !== undefined && !this.#shared && typeof before === "number" && typeof after === "number";
    if (counted && ((after - before) | 0) > own) this.#changed();
  }

  unchanged(): boolean {
    const sure = this.#silent.length === 0 && !this.#mixed && this.#held === 0;
    this.#mixed = false; // after a no, all of it is read
    if (!sure) return false; // settings have rounds of their own
    return performance.now() - this.#asked < ASK || !this.#differs(this.#looks);
  }

  stop(): void {
    this.#deafen();
    this.#settings?.close();
    this.#settings = undefined;
    for (const leave of this.#leave.splice(0)) leave();
  }

  #hear(news: News): void {
    switch (news.kind) {
      case "rules":
        if (this.#looks.includes(nftGeneration)) this.#hearGeneration(news.generation);
        return;
      case "addresses":
        if (this.#looks.includes(addressesThere)) this.#compare([addressesThere]);
        return;
      case "unsure":
        this.#compare(this.#looks);
    }
  }

  /** What we have done ourselves is announced, too: after it, we know better. The number begins anew after 2^32. */
  #hearGeneration(generation: number): void {
    const known = this.#known.get(nftGeneration);
    if (this.#held > 0 || (typeof known === "number" && ((generation - known) | 0) <= 0)) return;
    this.#known.set(nftGeneration, generation);
    this.#changed();
  }

  #look(): void {
    const began = performance.now();
    if (began < this.#rests) return;
    const place = placeOf(this.target);
    if (place === this.#place) this.#compare(this.#silent);
    else this.#moved(place);
    const now = performance.now();
    if (this.target.kind === "sandbox") this.#rests = now + REST * (now - began);
  }

  #moved(place: number | undefined): void {
    this.#place = place;
    this.#deafen();
    this.#deafen = this.#options.listen(this.target.netns, (news) => this.#hear(news));
    this.#openSettings();
    this.#differs(this.#looks);
    this.#changed();
  }

  #compare(looks: readonly Look[]): void {
    if (this.#held === 0 && this.#differs(looks)) this.#changed();
  }

  #compareSettings(): void {
    if (this.#held === 0 && this.#differsInSettings()) this.#changed();
  }

  /** Takes note of what is seen: true if it is not as it was. Nothing is seen if the namespace is gone, which the next read finds out. */
  #differs(looks: readonly Look[]): boolean {
    if (looks.length === 0) return false;
    if (looks === this.#looks) this.#asked = performance.now();
    const { netns } = this.target;
    if (looks.length === 1 && looks[0] === nftGeneration) return this.#note(nftGeneration, generationIn(netns)); // the rule
    let seen: readonly unknown[] = [];
    const others = looks.filter((look) => look !== nftGeneration);
    try {
      const there = others.length === 0 ? [] : inNetns(netns, () => others.map((look) => short(look())));
      seen = looks.map((look) => (look === nftGeneration ? nftGeneration(netns) : there[others.indexOf(look)]));
    } catch {}
    return looks.map((look, i) => this.#note(look, seen[i])).includes(true);
  }

  #openSettings(): void {
    this.#settings?.close();
    this.#settings = this.#keys.length > 0 ? this.#options.settings(this.target, this.#keys) : undefined;
  }

  #differsInSettings(): boolean {
    return this.#settings !== undefined && this.#note(this.#readSettings, this.#readSettings());
  }

  #settingsNow(): string {
    try {
      const values = this.#settings?.read();
      return JSON.stringify(this.#keys.map((key) => values?.[key]));
    } catch {
      return "";
    }
  }

  #note(look: Look, seen: unknown): boolean {
    const same = this.#known.get(look) === seen;
    this.#known.set(look, seen);
    return !same;
  }
}

/** The addresses of the namespace's interfaces. */
export const addressesThere: Look = () =>
  Object.entries(networkInterfaces()).flatMap(([name, list]) => (list ?? []).map(({ cidr }) => `${cidr} ${name}`));

/** Undefined if the namespace is gone, too. */
function generationIn(netns: string | undefined): number | undefined {
  try {
    return nftGeneration(netns);
  } catch {
    return undefined;
  }
}

/** A number as it is; of anything else enough to tell it apart. */
function short(seen: unknown): unknown {
  if (typeof seen === "number") return seen;
  const text = String(seen);
  return text.length <= 64 ? text : createHash("sha1").update(text).digest("base64");
}

/** Another namespace may come to be at the same path, or whatever else somebody puts there. */
function placeOf({ netns }: LbTarget): number | undefined {
  if (netns === undefined) return 0;
  try {
    return statSync(netns).ino;
  } catch {
    return undefined;
  }
}
