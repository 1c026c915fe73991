/**
 * A redirect that stays, whoever flushes what: an application's own firewall, say. Somebody who changes rules in a loop gets it back
 * ever more slowly: it is his own port 53, and our time.
 */
import type { Notice } from "../model/notice.ts";
import { lookInto } from "../os/look.ts";
import { listen } from "../os/netlink/listen.ts";
import { nftGeneration } from "../os/netlink/nfnetlink.ts";
import { Rounds } from "../os/rounds.ts";
import { xtablesSizes } from "../os/xtables.ts";
import { type Behind, installRedirect, presentRedirect, type Redirect, removeRedirect } from "./redirect.ts";

/** Milliseconds: from look to look while there is a reason to look, and from repair to repair at the longest. */
export interface Pace {
  readonly often: number;
  readonly longest: number;
}

const PACE: Pace = { often: 1_000, longest: 60_000 };

/** Installs it and sees to it that it stays; rejects if it can't be installed. Resolves to what ends that. */
export async function keepRedirect(at: Redirect, behind: Behind, onNotice: Notice, pace: Pace = PACE): Promise<Kept> {
  const keeping = new Keeping(at, behind, onNotice, pace);
  await keeping.begin();
  return keeping;
}

class Keeping implements Kept {
  readonly #at: Redirect;
  readonly #behind: Behind;
  readonly #onNotice: Notice;
  readonly #pace: Pace;
  readonly #patience: Patience;
  /** The redirect as the kernel has shown it after it was installed; "" if it had gone by then. */
  #installed = "";
  /** How the rules looked when the redirect was last seen in them; undefined if it has to be looked for. */
  #seen: string | undefined;
  #problem: string | undefined;
  #work: Promise<void> | undefined;
  #deafen: (() => void) | undefined;
  /** How to stop looking. */
  #rest: (() => void) | undefined;
  #ended = false;

  constructor(at: Redirect, behind: Behind, onNotice: Notice, pace: Pace) {
    this.#at = at;
    this.#behind = behind;
    this.#onNotice = onNotice;
    this.#pace = pace;
    this.#patience = new Patience(pace);
  }

  async begin(): Promise<void> {
    await this.#install();
    this.#deafen = listen(this.#at.netns, () => this.#watch());
    this.#watch();
  }

  async leave(): Promise<void> {
    this.#ended = true;
    this.#deafen?.();
    this.#rest?.();
    await this.#work;
  }

  async remove(): Promise<void> {
    await this.leave();
    await removeRedirect(this.#at);
  }

  /** Looks again and again, from now on. */
  #watch(): void {
    if (!this.#ended) this.#rest ??= looking(this.#pace).add(() => this.#look());
  }

  #look(): void {
    const now = rules(this.#at);
    if (now === this.#seen && isHeard(now)) {
      this.#rest?.();
      this.#rest = undefined;
      return;
    }
    if (now === this.#seen || now === undefined || this.#work !== undefined || !this.#patience.ready()) return;
    this.#work = this.#repair(this.#patience.first)
      .catch((error: Error) => this.#failed(error))
      .finally(() => {
        this.#patience.done();
        this.#work = undefined;
      });
  }

  async #install(): Promise<void> {
    await installRedirect(this.#at, this.#behind);
    const then = rules(this.#at);
    this.#installed = await presentRedirect(this.#at);
    this.#seen = this.#installed === "" ? undefined : then;
  }

  async #repair(first: boolean): Promise<void> {
    const then = rules(this.#at);
    if ((await presentRedirect(this.#at)) !== this.#installed || this.#installed === "") {
      if (this.#ended) return; // it goes, or whoever comes next sees to it; and the sockets may be closed by now
      await this.#install();
      if (first) this.#onNotice(`${this.#at.netns}: somebody changed the redirect of port ${this.#at.port}; put right`);
    } else this.#seen = then;
    this.#problem = undefined;
  }

  #failed({ message }: Error): void {
    if (message !== this.#problem) this.#onNotice(message);
    this.#problem = message;
    this.#seen = undefined; // it is tried again
  }
}

export interface Kept {
  /** It stays as it is. */
  leave(): Promise<void>;
  remove(): Promise<void>;
}

/** Twice as long from one time to the next, until it was quiet for as long as that. */
class Patience {
  readonly #pace: Pace;
  #wait: number;
  #from = 0;

  constructor(pace: Pace) {
    this.#pace = pace;
    this.#wait = pace.often;
  }

  /** It has been quiet before. */
  get first(): boolean {
    return this.#wait === this.#pace.often;
  }

  /** It is time. */
  ready(): boolean {
    const since = performance.now() - this.#from;
    if (since < this.#wait) return false;
    if (since > 2 * this.#wait + this.#pace.often) this.#wait = this.#pace.often;
    return true;
  }

  done(): void {
    this.#from = performance.now();
    this.#wait = Math.min(2 * this.#wait, this.#pace.longest);
  }
}

/** Another one once rules have been changed in the namespace, ours or others'; undefined if it is gone. */
const rules = ({ netns }: Redirect): string | undefined => lookInto(netns, [nftGeneration, xtablesSizes]);

/** Legacy iptables, which announces nothing, has no tables there: then the redirect is not in them, and no look is needed. */
const isHeard = (rules: string | undefined): boolean => /^\d+\n$/.test(rules ?? "");

/** One round for all redirects of a pace. */
function looking({ often }: Pace): Rounds {
  const there = rounds.get(often) ?? new Rounds(often);
  rounds.set(often, there);
  return there;
}

const rounds = new Map<number, Rounds>();
