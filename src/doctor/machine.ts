/** This machine, for the checks. */
import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { Found } from "../lb-programmer/backends/common/found.ts";
import { BACKENDS } from "../lb-programmer/backends/table.ts";
import { libcProblem } from "../os/libc.ts";
import { makeNetns, removeNetns } from "../os/new-netns.ts";
import { StateDir } from "../os/state-dir.ts";
import type { Machine } from "./finding.ts";

/** No file that is looked into is longer. */
const MOST = 1 << 20;

export const thisMachine = (): Machine => ({
  platform: process.platform,
  node: process.versions.node,
  root: process.getuid?.() === 0,
  read: (path) => attempt(() => readStart(path)),
  isThere: existsSync,
  owner: (path) =>
    attempt(() => {
      const stat = statSync(path);
      return { uid: stat.uid, mode: stat.mode & 0o777, directory: stat.isDirectory() };
    }),
  running: new Set(programs()),
  noCalls: libcProblem(),
  backendProblem,
});

/** In a namespace that nobody else has, which is gone afterwards. */
async function backendProblem(name: "ipvs" | "nftables"): Promise<string | undefined> {
  const id = `eleven-doctor-${process.pid}-${name}`;
  const netns = `/run/netns/${id}`;
  makeNetns(netns);
  const backend = BACKENDS[name].create({ found: new Found(new StateDir("/nonexistent"), () => {}) });
  try {
    await backend.probe({ kind: "sandbox", id, sandbox: id, netns });
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(`${id}: `, "");
  } finally {
    backend.close?.();
    removeNetns(netns);
  }
}

function programs(): string[] {
  const ids = (attempt(() => readdirSync("/proc")) ?? []).filter((name) => /^\d+$/.test(name));
  return ids.flatMap((id) => attempt(() => readFileSync(`/proc/${id}/comm`, "utf8").trim()) ?? []);
}

function readStart(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(MOST);
    return buffer.toString("utf8", 0, readSync(fd, buffer, 0, MOST, 0));
  } finally {
    closeSync(fd);
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
