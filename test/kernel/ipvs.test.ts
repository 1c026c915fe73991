/**
 * The ipvs backend on a kernel that has IPVS: this one, or else one that is booted for it (guest/), a guest for each part of the
 * suite. Guests have one processor and are slow: 5 to 15 minutes each; they run side by side, as many as there are processors.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { inGuest, missing } from "./guest/guest.ts";
import { qemu } from "./guest/qemu.ts";
import { PARTS } from "./guest/suite.ts";
import { uml } from "./guest/uml.ts";
import { privileged } from "./namespaces.ts";

const LIMIT = 1800; // seconds for one guest, and as long again for those that wait for a processor

const MACHINES = { uml, qemu } as const;
type Kind = keyof typeof MACHINES;
const EVERY = (["uml", "qemu"] as const).flatMap((kind) => Object.keys(PARTS[kind]).map((part) => ({ kind, part })));

const why = reason();
if (why === undefined && hasIpvs())
  for (const part of Object.values(PARTS).flatMap((some) => Object.values(some))) part();
else
  describe.skipIf(why !== undefined)(`in a guest${why === undefined ? "" : ` (${why})`}`, () => {
    const start = limited(availableParallelism());
    test.concurrent.each(EVERY)("$part", { timeout: 2 * LIMIT * 1000 }, async ({ kind, part }) => {
      const { status, output } = await start(() => inGuestTold(kind, part));
      expect(status, output).toBe(0);
    });
  });

/** Why nothing can be tested here. In CI that is a failure. */
function reason(): string | undefined {
  if (!privileged()) return "needs root";
  const lacking = hasIpvs() ? [] : [...new Set(Object.values(MACHINES).flatMap(missing))];
  if (lacking.length > 0 && process.env["CI"]) throw new Error(`install ${lacking.join(" ")}`);
  return lacking.length > 0 ? `needs the packages ${lacking.join(", ")}` : undefined;
}

function hasIpvs(): boolean {
  if (existsSync("/proc/net/ip_vs")) return true;
  try {
    execFileSync("modprobe", ["-a", "ip_vs", "xt_ipvs"], { stdio: "ignore" });
  } catch {
    return false; // no such module, or no modprobe
  }
  return existsSync("/proc/net/ip_vs");
}

async function inGuestTold(kind: Kind, part: string): Promise<{ status: number; output: string }> {
  let output = "";
  const heard = new Writable({
    write(text: Buffer, _, done) {
      output += text;
      done();
    },
  });
  const command = [
    "node_modules/.bin/vitest",
    "run",
    "--reporter=verbose",
    "--config=test/kernel/guest/vitest.config.ts",
  ];
  const patience = kind === "qemu" ? "5" : "1";
  const env = {
    ...process.env,
    E11_PARTS: part,
    E11_PATIENCE: patience,
    NO_COLOR: "1",
    VITEST: undefined,
    VITEST_POOL_ID: undefined,
  };
  const status = await inGuest(MACHINES[kind], command, { timeout: LIMIT, stdout: heard, stderr: heard, env });
  console.log(`${part}: ${/^\s*Tests .*$/m.exec(output)?.[0].trim() ?? `status ${status}`}`);
  return { status, output };
}

/** Runs work, so many at a time. */
function limited(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free--;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
