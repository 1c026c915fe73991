/** What signals mean to a command that stays: most of them that it should end well, and none of them that it just falls over. */
import { constants } from "node:os";
import { isatty } from "node:tty";

/** A clean stop each. */
const STOPS = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"] as const;
/** A terminal that closes sends it more than once, and in nobody's name. */
const NEVER_HURRIES = "SIGHUP";
/** One wish can come twice: from a terminal, to all that runs in it, and passed on by npm. Milliseconds. */
const SAME_WISH = 500;

/** What a signal means beside a stop, to a command that has something else to do for it. */
export interface Wishes {
  /** HUP, unless it comes because the terminal was closed that the command was started on. */
  readonly SIGHUP?: () => void;
  readonly SIGQUIT?: () => void;
}

/**
 * Resolves when the process is to stop. Whoever asks a second time is tired of waiting: then it ends at once, with the exit code of
 * that signal. Call it before anything starts, so that an early signal is not lost.
 */
export function untilStopped(say: (message: string) => void, wishes: Wishes = {}): Promise<void> {
  process.on("SIGUSR2", () => say("SIGUSR2 means nothing here; SIGTERM ends it"));
  const isGone = terminal();
  return new Promise((resolve) => {
    let first: number | undefined;
    for (const signal of STOPS)
      process.on(signal, () => {
        const wish = signal === "SIGHUP" || signal === "SIGQUIT" ? wishes[signal] : undefined;
        if (wish !== undefined && !(signal === "SIGHUP" && isGone())) wish();
        else if (first === undefined) {
          first = performance.now();
          resolve();
        } else if (signal !== NEVER_HURRIES && performance.now() - first > SAME_WISH) {
          say(`${signal} again: it ends at once, and what it has put into kernel and files stays`);
          process.exit(128 + constants.signals[signal]);
        }
      });
  });
}

/** Whether the terminal that is there now, if one is, is there no more: it has hung up. */
function terminal(): () => boolean {
  const on = [0, 1, 2].filter((fd) => isatty(fd));
  return () => on.some((fd) => !isatty(fd));
}
