/** What every store must do; a store's tests call this with a way to make an empty one. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Change, Container, Endpoint, Network, Sandbox, Service, Task } from "../model/types.ts";
import { Registry } from "../registry/registry.ts";
import type { Store } from "../registry/stores/store.ts";
import type { Case } from "./case.ts";

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
  "an empty store feeds nothing": async (store) => deepEqual(await opened(store), []),

  "a write comes back through the feed before it resolves, as it was": async (store) => {
    const fed = await opened(store);
    const batch = [NET, container("c")];
    await store.write(batch);
    deepEqual(fed, [batch]);
  },

  "writes that nobody waits for are fed in order": async (store) => {
    const fed = await opened(store);
    const batches = Array.from({ length: 20 }, (_, i) => [network(`n${i}`, `10.0.${i}.0/24`)]);
    await Promise.all(batches.map((b) => store.write(b)));
    deepEqual(fed, batches);
  },

  "an empty batch is not fed": async (store) => {
    const fed = await opened(store);
    await store.write([]);
    deepEqual(fed, []);
  },

  "opened again, it feeds everything in one batch, in an order that a registry accepts": async (store) => {
    await opened(store);
    // Referring ones are stored first here, so the order in which things were written is not enough.
    for (const change of [sandbox("c"), container("c"), task("t", "web"), service("web"), NET])
      await store.write([change]);
    await store.close();
    const fed = await opened(store);
    const kinds = fed.map((batch) => batch.map((c) => c.kind));
    deepEqual(kinds, [["network.put", "service.put", "task.put", "container.put", "sandbox.put"]]);
    equal((await reopened(store)).revision, 1);
  },

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

  "what the feed refuses is thrown by write and is not stored": async (store) => {
    const registry = new Registry();
    await store.open((batch) => void registry.apply(batch));
    await store.write([NET]);
    const lost = container("c", { endpoints: [endpoint("nowhere")] });
    await rejects(store.write([container("ok"), lost]), /no network/);
    deepEqual([...(await reopened(store)).state.containers], []);
  },

  "after close nothing is fed and a write is refused; it can be opened again": (store) =>
    ended(store, () => store.close()),

  "after abort nothing is fed and a write is refused; it can be opened again": (store) =>
    ended(store, (controller) => controller.abort()),

  "an earlier signal does not close a later opening": async (store) => {
    const controller = new AbortController();
    await store.open(() => {}, controller.signal);
    await store.close();
    await store.open(() => {});
    controller.abort();
    await store.write([NET]);
  },

  "open is refused twice, and with an aborted signal": async (store) => {
    await opened(store);
    await rejects(
      store.open(() => {}),
      { code: "open", op: "open" },
    );
    await store.close();
    await rejects(
      store.open(() => {}, AbortSignal.abort(new Error("enough"))),
      /enough/,
    );
  },

  "written before open is refused": (store) => rejects(store.write([NET]), { code: "closed" }),
};

/** What it feeds, from its opening on. */
async function opened(store: Store): Promise<(readonly Change[])[]> {
  const fed: (readonly Change[])[] = [];
  await store.open((batch) => void fed.push(batch));
  return fed;
}

/** What a registry holds that opens the store after all this. */
async function reopened(store: Store): Promise<Registry> {
  await store.close();
  const registry = new Registry();
  await store.open((batch) => void registry.apply(batch));
  return registry;
}

async function ended(store: Store, end: (controller: AbortController) => Promise<void> | void): Promise<void> {
  const controller = new AbortController();
  const fed: unknown[] = [];
  await store.open((batch) => void fed.push(batch), controller.signal);
  await end(controller);
  await rejects(store.write([NET]), { code: "closed", op: "write" });
  equal(fed.length, 0);
  await store.close();
  await store.open((batch) => void fed.push(batch));
  await store.write([NET]);
  equal(fed.length, 1);
}

const endpoint = (network: string): Endpoint => ({ network, aliases: [], links: [], priority: 0 });

function network(id: string, cidr: string): Change {
  const flags = { ingress: false, defaultBridge: false, internal: false };
  const network: Network = { id, name: id, driver: "overlay", ...flags, subnets: [{ cidr }] };
  return { kind: "network.put", network };
}

const NET = network("n", "10.0.1.0/24");

function container(id: string, other: Partial<Container> = {}): Change {
  const container: Container = { id, name: id, state: "running", endpoints: [endpoint("n")], labels: {}, ...other };
  return { kind: "container.put", container };
}

function service(id: string): Change {
  const networks = [{ network: "n", aliases: [] }];
  const service: Service = { id, name: id, mode: "vip", publish: "healthy", networks, ports: [], labels: {} };
  return { kind: "service.put", service };
}

function task(id: string, service: string): Change {
  const run = { state: "running", health: "none" } as const;
  const task: Task = { id, service, slot: 1, node: "node-1", ...run, endpoints: [endpoint("n")], labels: {} };
  return { kind: "task.put", task };
}

function sandbox(id: string): Change {
  const sandbox: Sandbox = { id, member: { kind: "container", id }, listen: [] };
  return { kind: "sandbox.put", sandbox };
}
