/**
 * A command as root under another kernel, in a guest that sees the host's files; what it writes stays in its memory, except in directories
 * named writable. It has its own empty network, one CPU, and dies with the command. Needs root: a guest reads the host's files as who
 * started it. Which kernel: uml.ts, qemu.ts.
 */
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** A kind of guest. */
export interface Machine {
  readonly name: string;
  /** Debian packages that it needs, by a file of each, wherever that is. */
  readonly packages: Readonly<Record<string, string>>;
  /** Of inside.sh: `modules`, `stdout`, `stderr`, `share TAG DIRECTORY`, `prepare`, and `drain`, which waits until all of the output has left. */
  readonly script: string;
  /** Starts it, with `stdio` for 1 and 2 (the kernel's own words) and 3 and 4 (the lines of stdout and stderr). */
  start(job: Job, stdio: SpawnOptions["stdio"]): Promise<ChildProcess>;
  /** Kills all of it, and whatever it leaves behind. */
  kill(child: ChildProcess): Promise<void>;
}

export interface Job {
  /** Directory that both see. */
  readonly folder: string;
  readonly mem: string;
  readonly writable: readonly string[];
}

export interface GuestOptions {
  /** Working directory. Default: this process's. */
  readonly cwd?: string;
  /** Memory as the kernel writes it. Default "2G"; it is taken as it is used. */
  readonly mem?: string;
  /** Seconds. Default 600. */
  readonly timeout?: number;
  /** Host directories in which the guest's changes are real. */
  readonly writable?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** Ends the guest at once. */
  readonly signal?: AbortSignal;
}

/** The time limit was reached; the guest ended without finishing the command (its last words are on stderr then). */
export const TIMED_OUT = 124;
export const GUEST_DIED = 125;

/** Debian packages that are not installed here. */
export function missing({ packages }: Machine): string[] {
  const needed = Object.entries({ ...EVERY_GUEST, ...packages });
  return needed.filter(([, paths]) => !paths.split("|").some(executable)).map(([name]) => name);
}

const EVERY_GUEST = {
  ipvsadm: "/usr/sbin/ipvsadm",
  iptables: "/usr/sbin/iptables-legacy-restore",
  iproute2: "/usr/sbin/ip|/sbin/ip|/usr/bin/ip|/bin/ip",
  kmod: "/usr/sbin/modprobe|/sbin/modprobe",
  nftables: "/usr/sbin/nft",
} as const;

/** Runs a command in a fresh guest; its exit status, or one of the above. */
export async function inGuest(
  machine: Machine,
  command: readonly string[],
  options: GuestOptions = {},
): Promise<number> {
  const {
    mem = "2G",
    timeout = 600,
    writable = [],
    stdout = process.stdout,
    stderr = process.stderr,
    signal,
  } = options;
  const folder = await mkdtemp(join(tmpdir(), "e11-guest-"));
  try {
    await prepare(machine, folder, command, options);
    const child = await machine.start({ folder, mem, writable }, ["ignore", "pipe", "pipe", "pipe", "pipe"]);
    const log: string[] = [];
    for (const part of [child.stdout, child.stderr]) part?.on("data", (text: Buffer) => log.push(`${text}`));
    const copies = [copied(child.stdio[3] as Readable, stdout), copied(child.stdio[4] as Readable, stderr)];
    let late = false;
    const end = (): void => void machine.kill(child);
    const timer = setTimeout(() => {
      late = true;
      end();
    }, timeout * 1000);
    signal?.addEventListener("abort", end);
    await new Promise((resolve, reject) => child.on("exit", resolve).on("error", reject));
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    await machine.kill(child);
    await Promise.all(copies);
    const status = await readFile(join(folder, "status"), "utf8").catch(() => "");
    if (status.trim() !== "") return Number(status);
    const reason = late ? `time limit of ${timeout} s reached` : "the guest died; its kernel's last words:";
    stderr.write(`${machine.name}: ${reason}\n${late ? "" : `${log.join("").split("\n").slice(-30).join("\n")}\n`}`);
    return late ? TIMED_OUT : GUEST_DIED;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What inside.sh reads, and a copy of it, so that it stays as it is. */
async function prepare(
  { script }: Machine,
  job: string,
  command: readonly string[],
  options: GuestOptions,
): Promise<void> {
  const { cwd = process.cwd(), writable = [], env = process.env } = options;
  await copyFile(new URL("inside.sh", import.meta.url), join(job, "inside.sh"));
  await writeFile(join(job, "machine"), script);
  const exports = Object.entries(env)
    .filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && value !== undefined)
    .map(([name, value]) => `export ${name}=${quoted(value ?? "")}`);
  const run = `cd ${quoted(cwd)} || exit 126\nPATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"\nexec ${command.map(quoted).join(" ")}\n`;
  await writeFile(join(job, "command"), `${exports.join("\n")}\n${run}`);
  await writeFile(join(job, "writable"), writable.map((directory) => `${directory}\n`).join(""));
}

function copied(from: Readable, to: Writable): Promise<void> {
  return new Promise((resolve) => {
    from.on("data", (part: Buffer) => {
      if (!to.write(part)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    from.on("close", resolve).on("error", () => resolve());
  });
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
