/** What every store must do; a store's tests call this with a way to make an empty one. */
import { deepEqual, equal, match, rejects } from "node:assert/strict";
import type { ChangeInput } from "../model/input.ts";
import type { Change } from "../model/types.ts";
import { Registry } from "../registry/registry.ts";
import type { OpenOptions, Store } from "../registry/stores/store.ts";
import type { Case } from "./case.ts";
import { container, NET, network, objects, on, sandbox, service, task } from "./store-objects.ts";

/** `create`: another, empty store for each case. */
export const storeCases = (create: () => Promise<Store>): readonly Case[] =>
  Object.entries(CASES).map(([name, work]) => ({
    name,
    async run() {
      const store = await create();
      try {
        await work(store);
      } finally {
        await store.close();
      }
      return undefined;
    },
  }));

const CASES: Readonly<Record<string, (store: Store) => Promise<void>>> = {
  "an empty store feeds nothing": async (store) => deepEqual((await opened(store)).fed, []),

  "a write comes back through the feed before it resolves, as it was": async (store) => {
    const { fed } = await opened(store);
    const batch = [NET, container("c")];
    await store.write(batch);
    deepEqual(fed, [batch]);
  },

  "writes that nobody waits for are fed in order": async (store) => {
    const { fed } = await opened(store);
    const batches = Array.from({ length: 20 }, (_, i) => [network(`n${i}`, { subnets: [{ cidr: `10.0.${i}.0/24` }] })]);
    await Promise.all(batches.map((b) => store.write(b)));
    deepEqual(fed, batches);
  },

  "an empty batch is not fed": async (store) => {
    const { fed } = await opened(store);
    await store.write([]);
    deepEqual(fed, []);
  },

  "a write resolves to the revision that it made; one that changes nothing, and an empty one, to the one there is":
    async (store) => {
      await opened(store);
      const batches = [[NET], [container("c")], [container("c")], []];
      deepEqual(await Promise.all(batches.map((b) => store.write(b))), [1, 2, 2, 2]);
    },

  "what is written by whoever hears of a write comes after it": async (store) => {
    const { registry } = await opened(store);
    let second: Promise<number> | undefined;
    registry.on("change", () => {
      second ??= store.write([container("c", { state: "paused" })]);
    });
    await store.write([NET, container("c")]);
    await second;
    equal((await reopened(store)).state.containers.get("c")?.state, "paused");
  },

  "what was written may be changed right after the call, and is fed and stored as it was": async (store) => {
    const { registry } = await opened(store);
    const aliases = ["www"];
    const batch = [container("c", { endpoints: [{ network: "n", aliases }] })];
    // Nobody waits for the first one, so a store that takes one at a time has to put the second one by.
    const written = [store.write([NET]), store.write(batch)];
    aliases.push("later");
    batch.push(container("later"));
    await Promise.all(written);
    for (const { state } of [registry, await reopened(store)])
      deepEqual(
        [...state.containers.values()].map((c) => [c.id, c.endpoints[0]?.aliases]),
        [["c", ["www"]]],
      );
  },

  "opened again, it feeds everything in one batch, in an order that a registry accepts": inOrder,

  "the last put counts, removed objects are gone, removing the unknown is fine": async (store) => {
    await opened(store);
    await store.write([NET, container("c"), container("d")]);
    await store.write([
      container("c", { state: "paused" }),
      { kind: "container.remove", id: "d" },
      { kind: "container.remove", id: "nobody" },
    ]);
    const { state } = await reopened(store);
    deepEqual(
      [...state.containers.values()].map((c) => [c.id, c.state]),
      [["c", "paused"]],
    );
  },

  "a removed service takes its tasks along, as in the registry": async (store) => {
    await opened(store);
    await store.write([NET, service("web"), service("db"), task("t1", "web"), task("t2", "db")]);
    await store.write([{ kind: "service.remove", id: "web" }]);
    deepEqual([...(await reopened(store)).state.tasks.keys()], ["t2"]);
  },

  "a sandbox whose container was removed is restored, and can be removed then": async (store) => {
    await opened(store);
    await store.write([NET, container("c"), sandbox("c")]);
    await store.write([{ kind: "container.remove", id: "c" }]);
    const { state } = await reopened(store);
    deepEqual([[...state.containers.keys()], [...state.sandboxes.keys()]], [[], ["c"]]);
    await store.write([{ kind: "sandbox.remove", id: "c" }]);
    equal((await reopened(store)).state.sandboxes.size, 0);
  },

  "what the feed refuses is thrown by write and is not stored": async (store) => {
    await opened(store);
    await store.write([NET]);
    await rejects(store.write([container("ok"), container("c", { endpoints: on("nowhere") })]), /no network/);
    deepEqual([...(await reopened(store)).state.containers], []);
  },

  "one that is refused is in nobody's way, though they were written at once": async (store) => {
    const { fed } = await opened(store);
    const batches = [[NET], [container("c", { endpoints: on("nowhere") })], [container("c")], [container("d")]];
    const results = await Promise.allSettled(batches.map((b) => store.write(b)));
    const outcomes = results.map((r) => (r.status === "fulfilled" ? r.value : r.reason.code));
    deepEqual(outcomes, [1, "unknown", 2, 3]);
    deepEqual(fed, [batches[0], batches[2], batches[3]]);
    deepEqual([...(await reopened(store)).state.containers.keys()], ["c", "d"]);
  },

  "what was allocated is what is stored: opened again, every address and port is as it was": allocated,

  "opened again, it is at the revision that it was at, and goes on from there": async (store) => {
    await opened(store);
    for (const batch of [[NET], [container("c")], [container("c")]]) await store.write(batch);
    await rejects(store.write([container("x", { endpoints: on("nowhere") })]), /no network/);
    equal((await reopened(store)).revision, 2);
    equal(await store.write([container("c")]), 2);
    equal(await store.write([container("d")]), 3);
    equal((await reopened(store)).revision, 3);
  },

  "the revision is kept when nothing else is": async (store) => {
    await opened(store);
    await store.write([NET]);
    await store.write([{ kind: "network.remove", id: "n" }]);
    const registry = await reopened(store);
    deepEqual([registry.revision, registry.state.networks.size], [2, 0]);
    equal(await store.write([NET]), 3);
  },

  "writes that nobody waits for lead to a revision each, over a restart, too": async (store) => {
    await opened(store);
    const revisions = Array.from({ length: 20 }, (_, i) => store.write([network(`n${i}`)]));
    deepEqual(
      await Promise.all(revisions),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    equal((await reopened(store)).revision, 20);
  },

  "a service that was there before the routing mesh is as it was, too": async (store) => {
    const { registry } = await opened(store);
    await store.write([NET, service("web", { ports: [{ target: 80, published: 8080 }] }), task("t", "web")]);
    await store.write([network("ingress", { ingress: true, subnets: [{ cidr: "10.0.8.0/24" }] })]);
    const held = objects(registry);
    deepEqual(objects(await reopened(store)), held);
  },

  "closed while it opens, it is closed": async (store) => {
    const opening = opened(store).catch(() => {});
    await store.close();
    await opening;
    await rejects(store.write([NET]), { code: "closed", op: "write" });
  },

  "what is written while it closes is stored and fed, or refused": async (store) => {
    const { fed } = await opened(store);
    const calls = [store.write([NET]), store.close(), store.write([container("c")])];
    const [before, , after] = await Promise.allSettled(calls);
    deepEqual(before, { status: "fulfilled", value: 1 });
    equal(after?.status === "rejected" && after.reason.code, "closed");
    equal(fed.length, 1);
    equal((await reopened(store)).state.networks.size, 1);
  },

  "after close nothing is fed and a write is refused; it can be opened again": (store) =>
    ended(store, () => store.close()),

  "after abort nothing is fed and a write is refused; it can be opened again": (store) =>
    ended(store, (controller) => controller.abort()),

  "an earlier signal does not close a later opening": async (store) => {
    const controller = new AbortController();
    await opened(store, { signal: controller.signal });
    await reopened(store);
    controller.abort();
    await store.write([NET]);
  },

  "open is refused twice, and with an aborted signal": async (store) => {
    await opened(store);
    await rejects(opened(store), { code: "open", op: "open" });
    await store.close();
    await rejects(opened(store, { signal: AbortSignal.abort(new Error("enough")) }), /enough/);
  },

  "written before open is refused": (store) => rejects(store.write([NET]), { code: "closed" }),
};

/** A registry that has opened it, and the batches that this was fed, what was stored before first. */
async function opened(store: Store, options: OpenOptions = {}) {
  const registry = new Registry();
  const fed: (readonly ChangeInput[])[] = [];
  const feed = {
    get revision() {
      return registry.revision;
    },
    feed(batch: readonly ChangeInput[], keep?: (objects: readonly Change[]) => void) {
      const result = registry.feed(batch, keep);
      fed.push(batch);
      return result;
    },
    get size() {
      return registry.size;
    },
    objects: () => registry.objects(),
    restore(stored: Iterable<Change>, revision: number) {
      const all = [...stored];
      fed.push(all);
      return registry.restore(all, revision);
    },
    rehearse: (batches: readonly (readonly ChangeInput[])[]) => registry.rehearse(batches),
  };
  await store.open(feed, options);
  return { registry, fed };
}

/** What a registry holds that opens the store after all this. */
async function reopened(store: Store): Promise<Registry> {
  await store.close();
  return (await opened(store)).registry;
}

async function inOrder(store: Store): Promise<void> {
  await opened(store);
  // What others refer to in the end is stored last, so the order in which things were written is not enough.
  const before = { networks: on("old"), endpoints: on("old") };
  await store.write([sandbox("c"), network("old"), service("web", before), container("c", before)]);
  for (const change of [NET, service("web"), container("c"), task("t", "web")]) await store.write([change]);
  await store.write([{ kind: "network.remove", id: "old" }]);
  await store.close();
  const { fed } = await opened(store);
  const kinds = fed.map((batch) => batch.map((c) => c.kind).sort());
  deepEqual(kinds, [["container.put", "network.put", "sandbox.put", "service.put", "task.put"]]);
}

async function allocated(store: Store): Promise<void> {
  const { registry } = await opened(store);
  const both = { networks: on("n", "m"), endpoints: on("n", "m") };
  const port = { name: "http", target: 80 };
  await store.write([network("ingress", { ingress: true, subnets: [{ cidr: "10.0.8.0/24" }] })]);
  // In an order, and with things in between that went again, such that allocating anew would come to other addresses.
  await store.write([network("m"), network("n"), container("first"), service("gone"), task("g", "gone")]);
  await store.write([service("web", { ...both, ports: [port] }), task("t1", "web"), container("second", both)]);
  await store.write([
    { kind: "service.patch", id: "web", patch: { ports: [{ ...port, published: 0 }] } },
    { kind: "service.remove", id: "gone" },
    { kind: "container.remove", id: "first" },
  ]);
  await store.write([task("t2", "web"), service("other")]);
  const held = objects(registry);
  match(held.services.get("web")?.mesh?.vip4 ?? "", /^10\.0\.8\./);
  deepEqual(
    held.tasks
      .get("t1")
      ?.endpoints.map((e) => e.network)
      .sort(),
    ["ingress", "m", "n"],
  );
  deepEqual(objects(await reopened(store)), held);
}

async function ended(store: Store, end: (controller: AbortController) => Promise<void> | void): Promise<void> {
  const controller = new AbortController();
  const before = await opened(store, { signal: controller.signal });
  await end(controller);
  await rejects(store.write([NET]), { code: "closed", op: "write" });
  await store.close();
  const after = await opened(store);
  await store.write([NET]);
  deepEqual([before.fed.length, after.fed.length], [0, 1]);
}
