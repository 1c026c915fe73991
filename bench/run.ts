/** `npm run bench [name]`: one line per case. Figures are medians; the machine's size is in the first line. */
import { cpus, totalmem } from "node:os";

const suites = ["codec", "lookup", "registry", "start", "sandboxes", "latency", "balance", "nftables", "peers"];
const wanted = process.argv.slice(2);

console.log(
  `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
);
for (const suite of suites) {
  if (wanted.length > 0 && !wanted.includes(suite)) continue;
  const { run } = (await import(`./${suite}.ts`)) as { run: () => void | Promise<void> };
  await run();
}
