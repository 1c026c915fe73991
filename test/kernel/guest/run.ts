/**
 * Runs a command under another kernel, which has IPVS; see guest.ts.
 *
 *   tsx test/kernel/guest/run.ts [--machine uml|qemu] [--cwd DIR] [--mem 2G] [--timeout SECONDS] [--rw DIR]... -- COMMAND [ARGUMENT...]
 *
 * The exit status is the command's; 124: time limit, 125: the guest died, 2: packages or rights are missing.
 */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { inGuest, missing } from "./guest.ts";
import { qemu } from "./qemu.ts";
import { uml } from "./uml.ts";

const { values, positionals } = parseArgs({
  options: {
    machine: { type: "string", default: uml.name },
    cwd: { type: "string", default: process.cwd() },
    mem: { type: "string", default: "2G" },
    timeout: { type: "string", default: "600" },
    rw: { type: "string", multiple: true, default: [] },
  },
  allowPositionals: true,
});

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());

const machine = values.machine === qemu.name ? qemu : uml;
const lacking = missing(machine);
if (positionals.length === 0)
  fail("usage: run.ts [--machine uml|qemu] [--cwd DIR] [--mem 2G] [--timeout SECONDS] [--rw DIR]... -- COMMAND...");
else if (process.getuid?.() !== 0) fail("needs root");
else if (lacking.length > 0) fail(`needs Debian's packages ${lacking.join(", ")}`);
else {
  process.exitCode = await inGuest(machine, positionals, {
    cwd: resolve(values.cwd),
    mem: values.mem,
    timeout: Number(values.timeout),
    writable: values.rw.map((directory) => resolve(directory)),
    signal: stop.signal,
  });
}

function fail(message: string): void {
  console.error(`guest: ${message}`);
  process.exitCode = 2;
}
