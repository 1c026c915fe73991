/**
 * `npm run bench [name]`: one line per case. Figures are medians; the machine's size is in the first line. Each suite has a
 * process of its own, so that the heap of one is not the next one's burden.
 */
import { spawnSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

const suites = [
  "codec",
  "lookup",
  "registry",
  "start",
  "sandboxes",
  "latency",
  "balanced-sandboxes",
  "balance",
  "nftables",
  "control",
  "hostile",
  "peers",
];
/** What a sandbox costs is told apart from V8's young generation, which grows by 4 MiB at once, in some runs and not in others. */
const flags: Readonly<Record<string, readonly string[]>> = {
  sandboxes: ["--max-semi-space-size=1"],
  "balanced-sandboxes": ["--max-semi-space-size=1"],
};
const [wanted, alone] = process.argv.slice(2);

if (alone === undefined) {
  console.log(
    `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  );
  const command = [...process.execArgv, fileURLToPath(import.meta.url)];
  for (const suite of suites)
    if (wanted === undefined || wanted === suite)
      spawnSync(process.execPath, [...(flags[suite] ?? []), ...command, suite, "alone"], { stdio: "inherit" });
} else {
  const { run } = (await import(`./${wanted}.ts`)) as { run: () => void | Promise<void> };
  await run();
}
