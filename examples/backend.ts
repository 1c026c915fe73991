/**
 * A backend of your own: where the balancing state of a namespace goes is its business. This one keeps a JSON file for each, for a
 * proxy that reads such files, say. `backendCases` tells whether it keeps what every backend must; then a node uses it.
 *
 *   npx tsx backend.ts
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNode, loadConfig } from "eleven-dns";
import { EMPTY, type LbBackend, type LbOp, type LbState, type LbTarget, normal } from "eleven-dns/backends";
import { backendCases, stateText } from "eleven-dns/testing";

class FileBackend implements LbBackend {
  readonly name = "file";
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async probe(): Promise<void> {}

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    const state = this.#read(target);
    return {
      ...state,
      sysctls: Object.fromEntries(Object.entries(state.sysctls).filter(([key]) => keys.includes(key))),
    };
  }

  /** The steps may be done twice, or after others; a file is written whole, so where they lead is all it needs. */
  async apply(target: LbTarget, _ops: readonly LbOp[], desired: LbState): Promise<void> {
    writeFileSync(this.file(target), JSON.stringify(normal(desired)));
  }

  async connections(): Promise<number> {
    return 0;
  }

  async clear(target: LbTarget): Promise<void> {
    rmSync(this.file(target), { force: true });
  }

  file(target: Pick<LbTarget, "id">): string {
    return join(this.#directory, `${encodeURIComponent(target.id)}.json`);
  }

  #read(target: LbTarget): LbState {
    try {
      return JSON.parse(readFileSync(this.file(target), "utf8")) as LbState;
    } catch {
      return EMPTY;
    }
  }
}

const directory = mkdtempSync(join(tmpdir(), "eleven-file-backend-"));

let count = 0;
const cases = backendCases(async () => {
  const backend = new FileBackend(mkdtempSync(join(directory, "case-")));
  const target = (n: number): LbTarget => ({ kind: "sandbox", id: `sandbox/c${n}`, sandbox: `c${n}` });
  return { backend, target: target(++count), other: target(++count), close: async () => {} };
});
for (const { name, run } of cases) {
  const skipped = await run();
  if (skipped !== undefined) console.log(`not tried: ${name}: ${skipped}`);
}
console.log(`${cases.length} cases, none failed`);

const backend = new FileBackend(directory);
const mynet = { network: "mynet", device: "lo", ip4: "10.0.1.254" };
const node = createNode({ balance: { backend, placement: "network", networks: [mynet] } });
const { changes } = await loadConfig(new URL("swarm.yaml", import.meta.url).pathname);
node.apply(changes.filter(({ kind }) => kind !== "sandbox.put"));
await node.applied();
console.log(stateText(JSON.parse(readFileSync(backend.file({ id: "network/mynet" }), "utf8"))));

await node.close();
rmSync(directory, { recursive: true });
