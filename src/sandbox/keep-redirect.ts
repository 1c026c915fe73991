/**
 * A redirect that stays, whoever flushes what: an application's own firewall, say. Somebody who changes rules in a loop gets it back
 * ever more slowly: it is his own port 53, and our time.
 */
import type { Notice } from "../model/notice.ts";
import { lookInto } from "../os/look.ts";
import { nftGeneration } from "../os/netlink/nfnetlink.ts";
import { xtablesSizes } from "../os/xtables.ts";
import { type Behind, installRedirect, presentRedirect, type Redirect, removeRedirect } from "./redirect.ts";

/** Milliseconds: from look to look, and from repair to repair at the longest. */
export interface Pace {
  readonly often: number;
  readonly longest: number;
}

const PACE: Pace = { often: 1_000, longest: 60_000 };

/** Installs it and sees to it that it stays; rejects if it can't be installed. Resolves to what ends that. */
export async function keepRedirect(at: Redirect, behind: Behind, onNotice: Notice, pace: Pace = PACE): Promise<Kept> {
  const patience = new Patience(pace);
  let installed = "";
  let seen: string | undefined;
  let problem: string | undefined;
  let work: Promise<void> | undefined;
  let ended = false;
  const install = async (): Promise<void> => {
    await installRedirect(at, behind);
    const then = rules(at);
    installed = await presentRedirect(at);
    seen = installed === "" ? undefined : then; // undefined: it went meanwhile
  };
  const repair = async (first: boolean): Promise<void> => {
    const then = rules(at);
    if ((await presentRedirect(at)) !== installed || installed === "") {
      if (ended) return; // it goes, or whoever comes next sees to it; and the sockets may be closed by now
      await install();
      if (first) onNotice(`${at.netns}: somebody changed the redirect of port ${at.port}; put right`);
    } else seen = then;
    problem = undefined;
  };
  const failed = ({ message }: Error): void => {
    if (message !== problem) onNotice(message);
    problem = message;
    seen = undefined; // and again
  };
  await install();
  const timer = setInterval(() => {
    const now = rules(at);
    if (now === seen || now === undefined || work !== undefined || !patience.ready()) return;
    work = repair(patience.first)
      .catch(failed)
      .finally(() => {
        patience.done();
        work = undefined;
      });
  }, pace.often).unref();
  const leave = async (): Promise<void> => {
    ended = true;
    clearInterval(timer);
    await work;
  };
  return { leave, remove: () => leave().then(() => removeRedirect(at)) };
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
