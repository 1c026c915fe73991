/**
 * A command as root under another kernel: Debian's User Mode Linux (package user-mode-linux), which has IPVS. The guest
 * sees the host's files; what it writes stays in its memory, except in directories named writable. It has its own empty
 * network, one CPU, and dies with the command. Needs root: guest processes read the host's files as who started them.
 */
import { spawn } from "node:child_process";
import { accessSync, chmodSync, constants } from "node:fs";
import { copyFile, mkdtemp, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** Debian packages that a guest needs, by a file of each. */
const PACKAGES = {
  "user-mode-linux": "/usr/bin/linux.uml",
  ipvsadm: "/usr/sbin/ipvsadm",
  iptables: "/usr/sbin/iptables-legacy-restore",
  iproute2: "/usr/sbin/ip|/sbin/ip|/usr/bin/ip|/bin/ip",
  kmod: "/usr/sbin/modprobe|/sbin/modprobe",
  nftables: "/usr/sbin/nft",
} as const;

/** Debian packages that are not installed here. */
export function missing(): string[] {
  return Object.entries(PACKAGES)
    .filter(([, paths]) => !paths.split("|").some(executable))
    .map(([name]) => name);
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

/** Runs a command in a fresh guest; its exit status, or one of the above. Boots in about four seconds. */
export async function inGuest(command: readonly string[], options: GuestOptions = {}): Promise<number> {
  const { mem = "2G", timeout = 600, stdout = process.stdout, stderr = process.stderr, signal } = options;
  const job = await mkdtemp(join(tmpdir(), "e11-guest-"));
  try {
    await prepare(job, command, options);
    const child = spawn("/usr/bin/linux.uml", kernelArguments(job, mem), {
      // 1, 2: the kernel's console. 3, 4: the command's stdout and stderr.
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], TMPDIR: await memoryFolder(mem) },
      detached: true, // a session of its own, by which all of the guest's processes are found again
    });
    const log: string[] = [];
    for (const part of [child.stdout, child.stderr]) part?.on("data", (text: Buffer) => log.push(`${text}`));
    const copies = [copied(child.stdio[3] as Readable, stdout), copied(child.stdio[4] as Readable, stderr)];
    let late = false;
    const end = (): void => void killSession(child.pid ?? 0);
    const timer = setTimeout(() => {
      late = true;
      end();
    }, timeout * 1000);
    signal?.addEventListener("abort", end);
    await new Promise((resolve, reject) => child.on("exit", resolve).on("error", reject));
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    await killSession(child.pid ?? 0); // its userspace outlives a kernel that was killed
    await Promise.all(copies);
    const status = await readFile(join(job, "status"), "utf8").catch(() => "");
    if (status.trim() !== "") return Number(status);
    const reason = late ? `time limit of ${timeout} s reached` : "the guest died; its kernel's last words:";
    stderr.write(`uml: ${reason}\n${late ? "" : `${log.join("").split("\n").slice(-30).join("\n")}\n`}`);
    return late ? TIMED_OUT : GUEST_DIED;
  } finally {
    await rm(job, { recursive: true, force: true });
  }
}

/** The job directory: what guest.sh reads. A copy of guest.sh, so that it is executable and stays as it is. */
async function prepare(job: string, command: readonly string[], options: GuestOptions): Promise<void> {
  const { cwd = process.cwd(), writable = [], env = process.env } = options;
  const init = join(job, "guest.sh");
  await copyFile(new URL("guest.sh", import.meta.url), init);
  chmodSync(init, 0o755);
  const exports = Object.entries(env)
    .filter(([name, value]) => /^[A-Za-z_]\w*$/.test(name) && value !== undefined)
    .map(([name, value]) => `export ${name}=${quoted(value ?? "")}`);
  const run = `cd ${quoted(cwd)} || exit 126\nPATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"\nexec ${command.map(quoted).join(" ")}\n`;
  await writeFile(join(job, "command"), `${exports.join("\n")}\n${run}`);
  await writeFile(join(job, "writable"), writable.map((directory) => `${directory}\n`).join(""));
}

function kernelArguments(job: string, mem: string): string[] {
  return [
    `mem=${mem}`,
    "rootfstype=hostfs",
    "rootflags=/",
    "ro",
    "quiet",
    `uml_dir=${job}`,
    "umid=guest",
    "con=null",
    "con0=null,fd:1",
    "ssl=null",
    "ssl1=null,fd:3",
    "ssl2=null,fd:4",
    `init=${join(job, "guest.sh")}`,
    `E11_JOB=${job}`,
  ];
}

/** Where the guest's memory is a file: in memory itself if there is room for all of it (it is 64 MB in containers). */
async function memoryFolder(mem: string): Promise<string> {
  const unit = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[mem.slice(-1)] ?? 1;
  const { bavail, bsize } = await statfs("/dev/shm").catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize > Number.parseInt(mem, 10) * unit ? "/dev/shm" : tmpdir();
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

/** Kills every process of the session that `leader` began: the guest's kernel and each guest process are one. */
async function killSession(leader: number): Promise<void> {
  if (leader === 0) return;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const session = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]); // after the name: state ppid pgrp session
    if (session === leader) kill(Number(pid));
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself meanwhile
  }
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
