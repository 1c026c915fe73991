/**
 * Debian's User Mode Linux (package user-mode-linux), which has IPVS, and nf_tables for bridges only: iptables is the legacy one. Boots in
 * about four seconds, and is the quickest of the guests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync } from "node:fs";
import { copyFile, readdir, readFile, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine } from "./guest.ts";

export const uml: Machine = {
  name: "uml",
  packages: { "user-mode-linux": "/usr/bin/linux.uml" },
  script: `
modules=/usr/lib/uml/modules
stdout=/dev/ttyS1
stderr=/dev/ttyS2
share() { mount -t hostfs none "$2" -o "$2"; }
prepare() {
  for tool in iptables ip6tables; do
    for part in "" -save -restore; do ln -sfn "/usr/sbin/$tool-legacy$part" "/etc/alternatives/$tool$part"; done
  done
  modprobe -qa xt_mark xt_comment xt_conntrack xt_addrtype xt_nat xt_MASQUERADE xt_REDIRECT xt_tcpudp xt_multiport \\
    iptable_filter iptable_nat iptable_mangle ip6table_filter ip6table_nat ip6table_mangle ipt_REJECT ip6t_REJECT
  stty -F $stdout raw -echo
  stty -F $stderr raw -echo
}
drain() { # returns when everything before it has left
  stty -F $stdout raw
  stty -F $stderr raw
}
`,
  async start({ folder, mem }, stdio) {
    const init = join(folder, "init");
    await copyFile(new URL("uml.sh", import.meta.url), init);
    chmodSync(init, 0o755);
    return spawn("/usr/bin/linux.uml", kernelArguments(folder, init, mem), {
      stdio,
      env: { PATH: process.env["PATH"], TMPDIR: await memoryFolder(mem) },
      detached: true, // a session of its own, by which all of the guest's processes are found again
    });
  },
  /** Its userspace outlives a kernel that was killed. */
  kill: ({ pid = 0 }: ChildProcess) => killSession(pid),
};

function kernelArguments(job: string, init: string, mem: string): string[] {
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
    `init=${init}`,
    `E11_JOB=${job}`,
  ];
}

/** Where the guest's memory is a file: in memory itself if there is room for all of it (it is 64 MB in containers). */
async function memoryFolder(mem: string): Promise<string> {
  const unit = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[mem.slice(-1)] ?? 1;
  const { bavail, bsize } = await statfs("/dev/shm").catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize > Number.parseInt(mem, 10) * unit ? "/dev/shm" : tmpdir();
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
