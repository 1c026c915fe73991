/** Short-lived tools (nft, iptables-restore, ip) and their words: text in, text out, in any network namespace. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { CAP_NET_ADMIN, CAP_NET_RAW, spawningWith } from "./caps.ts";
import { heldUp, patience } from "./held-up.ts";
import { inNetns } from "./netns.ts";

export interface ExecOptions {
  /** Path of the network namespace to run in. Missing: the one this process is in. */
  readonly netns?: string | undefined;
  /**
   * The only capabilities that the tool has. Missing: those of this process. Where a container's rules are read, a tool must have no
   * more than its work needs: a container may have written them for the tool's parser.
   */
  readonly capabilities?: readonly number[];
  /** Standard input. */
  readonly input?: string;
  /** Milliseconds until it is killed. Default 30 000. */
  readonly timeout?: number;
  /** Octets of output, past which it is killed. Default 64 MiB. */
  readonly most?: number;
}

export interface Done {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; -1 if a signal (a time-out, say) ended it. */
  readonly status: number;
}

/**
 * The only folders in which tools are looked for: PATH of the environment is not looked at. It is also all that the tools get
 * as their environment.
 */
export const TOOL_FOLDERS = [
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
  "/usr/local/sbin",
  "/usr/local/bin",
  "/run/current-system/sw/bin", // NixOS has it nowhere else
];

/**
 * Runs a command to its end. Rejects only if it can't be started (ENOENT: not installed). What it prints past `most`, or after
 * `timeout`, is lost together with it: the status says so.
 */
export async function exec(command: string, args: readonly string[], options: ExecOptions = {}): Promise<Done> {
  const { netns, capabilities, input = "", timeout = 30_000, most = 64 << 20 } = options;
  const file = toolPath(command);
  // In a session of its own: a terminal's Ctrl-C is for us, and what is half done should not end half way.
  const start = () => spawn(file, args, { env: { PATH: TOOL_FOLDERS.join(":") }, detached: true });
  const restricted = capabilities === undefined ? start : () => spawningWith(capabilities, start);
  const child = inNetns(netns, restricted);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    if (child.stdout === undefined) return; // without descriptors (EMFILE) there are no pipes
    let late: NodeJS.Timeout | undefined;
    const stop = (): void => {
      end(child);
      late ??= setTimeout(() => {
        forsake(child);
        done(-1);
      }, LAST);
    };
    const timer = setTimeout(
      () => {
        if (netns !== undefined) heldUp.add(netns);
        stop();
      },
      patience(netns, timeout),
    );
    const [stdout, stderr] = collect(child, most, stop);
    const done = (status: number): void => {
      clearTimeout(timer);
      clearTimeout(late);
      if (status >= 0 && netns !== undefined) heldUp.delete(netns);
      resolve({ stdout: `${Buffer.concat(stdout)}`, stderr: `${Buffer.concat(stderr)}`, status });
    };
    child.on("close", (status) => done(status ?? -1));
    child.on("error", () => clearTimeout(timer));
    child.stdin.on("error", () => {}); // it ended without reading everything; its status says why
    child.stdin.end(input);
  });
}

/**
 * What a tool that programs a namespace's network needs, and may have. Legacy iptables asks the kernel through a raw socket, nft's flavour
 * by netlink.
 */
export const capabilitiesOf = (command: string): readonly number[] =>
  /^ip6?tables(?!-nft)/.test(command) ? [CAP_NET_ADMIN, CAP_NET_RAW] : [CAP_NET_ADMIN];

/** A tool's words, for a message: one line, of characters that any terminal or log takes. */
export function said(words: string): string {
  const first = words.split("\n").find((line) => line.trim() !== "") ?? "";
  return first.replaceAll(/[^ -~]+/g, " ").slice(0, 300);
}

/**
 * Milliseconds that a tool which was killed may take to be gone. It may be in a system call that waits for something a container
 * does, where no signal reaches it: after this time nobody waits for it any longer.
 */
const LAST = 500;

/** The tool's file. Throws an Error with code ENOENT if no folder has it. */
export function toolPath(command: string): string {
  for (const folder of TOOL_FOLDERS) {
    const file = join(folder, command);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  throw Object.assign(new Error(`spawn ${command} ENOENT`), { code: "ENOENT", syscall: `spawn ${command}` });
}

/** Kills the tool and whatever it has started: it leads a process group of its own. */
function end(child: ChildProcessWithoutNullStreams): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch {} // it has ended by itself
}

/** Lets go of a tool that does not end: it keeps neither pipes nor this process alive. */
function forsake(child: ChildProcessWithoutNullStreams): void {
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  child.unref();
}

/** What it prints, up to `most` octets altogether; `tooMuch` is called past that. */
function collect(
  child: ChildProcessWithoutNullStreams,
  most: number,
  tooMuch: () => void,
): [stdout: Buffer[], stderr: Buffer[]] {
  const parts: [Buffer[], Buffer[]] = [[], []];
  let room = most;
  for (const [i, stream] of [child.stdout, child.stderr].entries())
    stream.on("data", (part: Buffer) => {
      room -= part.length;
      if (room >= 0) parts[i]!.push(part);
      else tooMuch();
    });
  return parts;
}
