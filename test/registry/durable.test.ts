/** What is acknowledged is on disk: as the kernel was asked for it, as a log cut off anywhere says it, and as it is after a kill. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import type { ChangeInput } from "../../src/model/input.ts";
import type { Change } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { fileStore } from "../../src/registry/stores/file.ts";
import { Objects } from "../../src/registry/stores/objects.ts";
import { readLog } from "../../src/registry/stores/read-log.ts";
import { seeded } from "../support/chance.ts";
import { changes } from "../support/world.ts";
import { have } from "../system/dig.ts";
import { unsafe } from "./traced.ts";

const WRITER = ["--import", "tsx", "test/registry/store-writer.ts"];
const directory = () => join(mkdtempSync(join(tmpdir(), "eleven-")), "state", "store");

async function opened(path: string, slack = 10_000) {
  const store = fileStore({ directory: path, slack });
  const registry = new Registry();
  onTestFinished(() => store.close());
  await store.open(registry);
  return { store, registry };
}

test.skipIf(!have("strace"))(
  "the kernel is asked to put it on disk first: the file before each answer, directories where a name is new",
  () => {
    const path = directory();
    const trace = join(dirname(dirname(path)), "trace");
    const calls = "trace=mkdir,rename,fsync,fdatasync,write,pwrite64";
    const words = ["-f", "--seccomp-bpf", "-y", "-s", "1000000", "-e", calls, "-e", "signal=none", "-o", trace];
    // The first one makes everything, the second one finds it; both write the log anew, too.
    for (const count of [150, 170]) {
      const { status } = spawnSync("strace", [...words, process.execPath, ...WRITER, path, `${count}`]);
      expect(status).toBe(0);
      const { acknowledged, synced, renamed, problems } = unsafe(readFileSync(trace, "utf8"), path);
      expect(problems).toEqual([]);
      expect(acknowledged).toBe(3 * count);
      expect(synced).toBeGreaterThanOrEqual((3 * count) / 8);
      expect(renamed).toBeGreaterThan(0);
    }
  },
  120_000,
);

const KINDS = ["networks", "services", "tasks", "containers", "sandboxes"] as const;
/** The order of objects and of their fields says nothing. */
function text({ state }: Registry): string {
  const fields = (_: string, value: unknown): unknown =>
    typeof value !== "object" || value === null || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(
    KINDS.map((kind) => Object.fromEntries(state[kind])),
    fields,
  );
}

/** One that makes, changes or removes something; sometimes nothing, and sometimes it is refused. */
function randomBatch(chance: () => number): ChangeInput[] {
  const pick = (most: number): number => Math.floor(chance() * most);
  const container = `container c${pick(6)} state=${pick(2) ? "paused" : "running"} on n${pick(2)}`;
  const kind = (["container", "service", "sandbox", "task"] as const)[pick(4)]!;
  const id = { container: `c${pick(6)}`, sandbox: `c${pick(6)}`, service: `s${pick(2)}`, task: `s0-${pick(2)}-id` }[
    kind
  ];
  switch (pick(6)) {
    case 0:
      return [{ kind: `${kind}.remove`, id }];
    case 1:
      return changes(`service s${pick(2)} on n0 alias=ß${pick(100)}\n task s0.${pick(2)} on n0`);
    case 2:
      return changes(`${container}\n sandbox c${pick(6)}`);
    default:
      return changes(container);
  }
}

/** Everything that was ever acknowledged, by revision; and the log, closed in the end. */
async function lived(seed: number, slack: number): Promise<{ states: Map<number, string>; log: Buffer }> {
  const chance = seeded(seed);
  const path = directory();
  const { store, registry } = await opened(path, slack);
  const states = new Map([[0, text(registry)]]);
  registry.on("change", ({ revision }) => states.set(revision, text(registry)));
  await store.write(changes("network n0 overlay 10.0.0.0/24\n network n1 overlay 10.0.1.0/24"));
  for (let i = 0; i < (slack === 10_000 ? 12 : 30); i++) {
    const some = Array.from({ length: 1 + Math.floor(chance() * 3) }, () => store.write(randomBatch(chance)));
    await Promise.allSettled(some); // some of them are one line together
  }
  await store.close();
  return { states, log: readFileSync(join(path, "objects.log")) };
}

/** What is stored in this log, and at which revision; undefined if it is refused. */
async function stored(log: Buffer): Promise<{ objects: Change[]; revision: number } | undefined> {
  const file = {
    read: async (into: Buffer, at: number, _: number, from: number) => ({ bytesRead: log.copy(into, at, from) }),
  };
  const objects = new Objects();
  try {
    const { revision } = await readLog("a log", file, (entry) => objects.keep(entry.changes));
    return { objects: objects.all(), revision };
  } catch (error) {
    expect(error).toMatchObject({ name: "StoreError", code: "damaged" });
    return undefined;
  }
}

test.each([
  [1, 10_000],
  [2, 10_000],
  [3, 3],
  [4, 0],
  [5, 5],
])(
  "cut off anywhere, it says what had been acknowledged when it was as long: random changes %i, slack %i",
  async (seed, slack) => {
    const { states, log } = await lived(seed, slack);
    const ends = [...log.entries()].flatMap(([at, octet]) => (octet === 10 ? [at + 1] : []));
    const { lines } = JSON.parse(log.subarray(0, ends[0]).toString()) as { lines: number };
    expect(lines).toBe(slack === 10_000 ? 0 : 1); // or it was never written anew
    expect(ends.length).toBeGreaterThan(3);
    let last: Awaited<ReturnType<typeof stored>>;
    for (let length = 0; length <= log.length; length++) {
      const now = await stored(log.subarray(0, length));
      // Its beginning was on disk before the file had its name: no crash leaves less of it.
      expect([length, now === undefined]).toEqual([length, length < ends[lines]!]);
      if (now === undefined || isDeepStrictEqual(now, last)) continue;
      expect([length, ends.includes(length)]).toEqual([length, true]);
      expect(now.revision).toBeGreaterThan(last?.revision ?? -1);
      const registry = new Registry();
      registry.restore(now.objects, now.revision);
      expect([length, text(registry)]).toEqual([length, states.get(registry.revision)]);
      last = now;
    }
    expect(last?.revision).toBe(Math.max(...states.keys()));
  },
);

const STATES = ["running", "paused", "stopped"];

test("killed at 20 random points of 10 000 writes: what was acknowledged is there, with the addresses it had", async () => {
  const path = directory();
  const chance = seeded(20);
  const acknowledged = new Map<string, string[]>();
  let writes = 0;
  for (let round = 1; round <= 20; round++) {
    const most = round === 20 ? 10_000 - writes : chance() * 1_000;
    const child = spawn(process.execPath, [...WRITER, path], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    let count = 0;
    for await (const part of child.stdout) {
      said += part;
      count += String(part).split("\n").length - 1;
      if (count >= most) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    expect(child.signalCode).toBe("SIGKILL");
    for (const [id = "", ...rest] of said
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" ")))
      acknowledged.set(id, rest);
    writes += count;
    const { store, registry } = await opened(path);
    for (const [id, [state = "", address]] of acknowledged) {
      const container = registry.state.containers.get(id);
      expect(container?.endpoints[0]?.ip4, `${id} after kill ${round}`).toBe(address);
      expect(STATES.indexOf(container!.state)).toBeGreaterThanOrEqual(STATES.indexOf(state));
    }
    expect(registry.revision).toBeGreaterThan(writes); // each was one, and the network the first
    await store.close();
  }
  expect(writes).toBeGreaterThanOrEqual(10_000);
}, 300_000);
