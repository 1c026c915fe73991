/** A redirect that stays, whoever flushes what: an application's own firewall, say. */
import type { Notice } from "../model/notice.ts";
import { inNetns } from "../os/netns.ts";
import { nftGeneration } from "../os/nfnetlink.ts";
import { xtablesSizes } from "../os/xtables.ts";
import { type Behind, installRedirect, presentRedirect, type Redirect, removeRedirect } from "./redirect.ts";

/** Milliseconds from look to look. */
const OFTEN = 1_000;

/** Installs it and sees to it that it stays; rejects if it can't be installed. Resolves to what ends that. */
export async function keepRedirect(at: Redirect, behind: Behind, onNotice: Notice): Promise<Kept> {
  await installRedirect(at, behind);
  const installed = await presentRedirect(at);
  let seen = rules(at);
  let problem: string | undefined;
  let work: Promise<void> | undefined;
  const repair = async (): Promise<void> => {
    if ((await presentRedirect(at)) !== installed) {
      await installRedirect(at, behind);
      onNotice(`${at.netns}: somebody changed the redirect of port ${at.port}; put right`);
    }
    seen = rules(at);
    problem = undefined;
  };
  const failed = ({ message }: Error): void => {
    if (message !== problem) onNotice(message);
    problem = message;
    seen = undefined; // and again
  };
  const timer = setInterval(() => {
    const now = rules(at);
    if (now === seen || now === undefined || work !== undefined) return;
    work = repair()
      .catch(failed)
      .finally(() => {
        work = undefined;
      });
  }, OFTEN).unref();
  const leave = async (): Promise<void> => {
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

/** Another one once rules have been changed in the namespace, ours or others'; undefined if it is gone. */
function rules({ netns }: Redirect): string | undefined {
  try {
    return inNetns(netns, () => `${nftGeneration()} ${xtablesSizes()}`);
  } catch {
    return undefined;
  }
}
