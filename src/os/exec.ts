/** Short-lived tools (nft, iptables-restore, ip) and their words: text in, text out, in any network namespace. */
import { spawn } from "node:child_process";
import { inNetns } from "./netns.ts";

export interface ExecOptions {
  /** Path of the network namespace to run in. Missing: the one this process is in. */
  readonly netns?: string | undefined;
  /** Standard input. */
  readonly input?: string;
  /** Milliseconds until it is killed. Default 30 000. */
  readonly timeout?: number;
}

export interface Done {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; -1 if a signal (a time-out, say) ended it. */
  readonly status: number;
}

/** Runs a command to its end. Rejects only if it can't be started (ENOENT: not installed). */
export function exec(command: string, args: readonly string[], options: ExecOptions = {}): Promise<Done> {
  const { netns, input = "", timeout = 30_000 } = options;
  const env = { ...process.env, PATH: path() };
  // In a session of its own: a terminal's Ctrl-C is for us, and what is half done should not end half way.
  const start = () => spawn(command, args, { timeout, killSignal: "SIGKILL", env, detached: true });
  return new Promise((resolve, reject) => {
    const child = netns === undefined ? start() : inNetns(netns, start);
    child.on("error", reject);
    if (child.stdout === undefined) return; // without descriptors (EMFILE) there are no pipes
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (part: Buffer) => stdout.push(part));
    child.stderr.on("data", (part: Buffer) => stderr.push(part));
    child.on("close", (status) =>
      resolve({ stdout: `${Buffer.concat(stdout)}`, stderr: `${Buffer.concat(stderr)}`, status: status ?? -1 }),
    );
    child.stdin.on("error", () => {}); // it ended without reading everything; its status says why
    child.stdin.end(input);
  });
}

/** Administrators' tools live in sbin, which is not everyone's path. */
const path = (): string => `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;
