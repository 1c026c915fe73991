/** A redirect that stays, whoever flushes what: an application's own firewall, say. */
import type { Notice } from "../model/notice.ts";
import { inNetns } from "../os/netns.ts";
import { nftGeneration } from "../os/nfnetlink.ts";
import { xtablesSizes } from "../os/xtables.ts";
import { type Behind, installRedirect, presentRedirect, type Redirect, removeRedirect } from "./redirect.ts";

/** Milliseconds from look to look. */
const OFTEN = 1_000;

/** Installs it and sees to it that it stays; rejects if it can't be installed. Resolves to what ends that and removes it. */
export async function keepRedirect(at: Redirect, behind: Behind, onNotice: Notice): Promise<() => Promise<void>> {
  await installRedirect(at, behind);
  const installed = await presentRedirect(at);
  let seen = rules(at);
  let work: Promise<void> | undefined;
  const repair = async (): Promise<void> => {
    if ((await presentRedirect(at)) !== installed) {
      await installRedirect(at, behind);
      onNotice(`${at.netns}: somebody changed the redirect of port ${at.port}; put right`);
    }
    seen = rules(at);
  };
  const timer = setInterval(() => {
    const now = rules(at);
    if (now === seen || now === undefined || work !== undefined) return;
    seen = now;
    work = repair()
      .catch((error: Error) => onNotice(error.message))
      .finally(() => {
        work = undefined;
      });
  }, OFTEN).unref();
  return async () => {
    clearInterval(timer);
    await work;
    await removeRedirect(at);
  };
}

/** Another one once rules have been changed in the namespace, ours or others'; undefined if it is gone. */
function rules({ netns }: Redirect): string | undefined {
  try {
    return inNetns(netns, () => `${nftGeneration()} ${xtablesSizes()}`);
  } catch {
    return undefined;
  }
}
