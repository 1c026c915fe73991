/** What every store must do; each implementation's test calls this with a way to make an empty one. */
import { describe, expect, onTestFinished, test } from "vitest";
import type { Change } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { Feed, Store } from "../../src/registry/stores/store.ts";
import { changes } from "../support/world.ts";

const NET = "network n overlay 10.0.1.0/24";
const kinds = (batch: readonly Change[] | undefined) => batch?.map((c) => c.kind);

/** A registry, and the batches that it has been fed. */
function listening(): { readonly feed: Feed; readonly fed: (readonly Change[])[] } {
  const fed: (readonly Change[])[] = [];
  const registry = new Registry();
  const feed: Feed = {
    get revision() {
      return registry.revision;
    },
    feed(batch) {
      const result = registry.feed(batch);
      fed.push(batch);
      return result;
    },
    rehearse: (batches) => registry.rehearse(batches),
  };
  return { feed, fed };
}

/** Everything that a registry holds, in no order. */
const holding = ({ state }: Registry) =>
  [state.networks, state.services, state.tasks, state.containers, state.sandboxes].map((objects) =>
    Object.fromEntries(objects as ReadonlyMap<string, unknown>),
  );

export function storeConformance(name: string, make: () => Promise<Store>): void {
  const create = async () => {
    const store = await make();
    onTestFinished(() => store.close());
    return store;
  };

  const opened = async () => {
    const store = await create();
    const { feed, fed } = listening();
    await store.open(feed);
    return { store, fed };
  };

  /** What a registry holds that opens the store after all this. */
  const reopened = async (store: Store) => {
    await store.close();
    const registry = new Registry();
    await store.open(registry);
    return registry;
  };

  describe(`store: ${name}`, () => {
    test("an empty store feeds nothing", async () => {
      const { fed } = await opened();
      expect(fed).toEqual([]);
    });

    test("a write comes back through the feed before it resolves, as it was", async () => {
      const { store, fed } = await opened();
      const batch = changes(`${NET}\n container c on n`);
      await store.write(batch);
      expect(fed).toEqual([batch]);
    });

    test("writes that nobody waits for are fed in order", async () => {
      const { store, fed } = await opened();
      const batches = Array.from({ length: 20 }, (_, i) => changes(`network n${i} overlay 10.0.${i}.0/24`));
      await Promise.all(batches.map((b) => store.write(b)));
      expect(fed).toEqual(batches);
    });

    test("an empty batch is not fed", async () => {
      const { store, fed } = await opened();
      await store.write([]);
      expect(fed).toEqual([]);
    });

    test("opened again, it feeds everything in one batch, in an order that a registry accepts", async () => {
      const { store } = await opened();
      // Referring ones are stored first here, so the order in which things were written is not enough.
      await store.write(changes(`sandbox c\n network old overlay 10.0.9.0/24\n service web on old\n ${NET}`));
      for (const line of ["container c on n", "service web on n", "task web.1 on n"]) await store.write(changes(line));
      await store.write([{ kind: "network.remove", id: "old" }]);
      await store.close();
      const { feed, fed } = listening();
      await store.open(feed);
      expect(fed.map(kinds)).toEqual([["network.put", "service.put", "task.put", "container.put", "sandbox.put"]]);
      expect((await reopened(store)).revision).toBe(1);
    });

    test("the last put counts, removed objects are gone, removing the unknown is fine", async () => {
      const { store } = await opened();
      await store.write(changes(`${NET}\n container c on n\n container d on n`));
      await store.write([
        ...changes("container c state=paused on n"),
        { kind: "container.remove", id: "d" },
        { kind: "container.remove", id: "nobody" },
      ]);
      const { state } = await reopened(store);
      expect([...state.containers.values()].map((c) => [c.id, c.state])).toEqual([["c", "paused"]]);
    });

    test("a removed service takes its tasks along, as in the registry", async () => {
      const { store } = await opened();
      await store.write(changes(`${NET}\n service web on n\n service db on n\n task web.1 on n\n task db.1 on n`));
      await store.write([{ kind: "service.remove", id: "web" }]);
      expect([...(await reopened(store)).state.tasks.keys()]).toEqual(["db-1-id"]);
    });

    test("what the feed refuses is thrown by write and is not stored", async () => {
      const store = await create();
      const registry = new Registry();
      await store.open(registry);
      await store.write(changes(NET));
      await expect(store.write(changes("container ok on n\n container c on nowhere"))).rejects.toThrow("no network");
      expect([...(await reopened(store)).state.containers]).toEqual([]);
    });

    test("what was allocated is what is stored: opened again, every address and port is as it was", async () => {
      const store = await create();
      const registry = new Registry();
      await store.open(registry);
      await store.write(changes("network ingress overlay ingress 10.0.8.0/24\n network m overlay\n network n overlay"));
      // In an order, and with things in between that went again, such that allocating anew would come to other addresses.
      await store.write(changes("container first on n\n service gone on n\n task gone.1 on n"));
      await store.write(
        changes("service web port=http:80/tcp on n on m\n task web.1 on n\n container second on n on m"),
      );
      await store.write([
        ...dynamic("web"),
        { kind: "service.remove", id: "gone" },
        { kind: "container.remove", id: "first" },
      ]);
      await store.write(changes("task web.2 on n\n service other on n"));
      expect(holding(await reopened(store))).toEqual(holding(registry));
      expect(registry.state.services.get("web")?.mesh?.vip4).toMatch(/^10\.0\.8\./);
      expect(registry.state.tasks.get("web-1-id")?.endpoints).toHaveLength(2);
    });

    test("a write resolves to the revision that it made; one that changes nothing, and an empty one, to the one there is", async () => {
      const { store } = await opened();
      const revisions = [changes(NET), changes("container c on n"), changes("container c on n"), []].map((b) =>
        store.write(b),
      );
      expect(await Promise.all(revisions)).toEqual([1, 2, 2, 2]);
    });

    test("one that is refused is in nobody's way, though they were written at once", async () => {
      const { store, fed } = await opened();
      const batches = [NET, "container c on nowhere", "container c on n", "container d on n"].map((line) =>
        changes(line),
      );
      const results = await Promise.allSettled(batches.map((b) => store.write(b)));
      expect(results.map((r) => (r.status === "fulfilled" ? r.value : r.reason.code))).toEqual([1, "unknown", 2, 3]);
      expect(fed).toEqual([batches[0], batches[2], batches[3]]);
      expect([...(await reopened(store)).state.containers.keys()]).toEqual(["c", "d"]);
    });

    test("what is written while it closes is stored and fed, or refused", async () => {
      const { store, fed } = await opened();
      const [written, closed] = [store.write(changes(NET)), store.close()];
      await expect(store.write(changes("container c on n"))).rejects.toMatchObject({ code: "closed" });
      expect([await written, await closed, fed.length]).toEqual([1, undefined, 1]);
      expect((await reopened(store)).state.networks.size).toBe(1);
    });

    test.each<[string, (store: Store, abort: () => void) => Promise<void> | void]>([
      ["close", (store) => store.close()],
      ["abort", (_, abort) => abort()],
    ])("after %s nothing is fed and a write is refused; it can be opened again", async (_, end) => {
      const store = await create();
      const controller = new AbortController();
      const { feed, fed } = listening();
      await store.open(feed, { signal: controller.signal });
      await end(store, () => controller.abort());
      await expect(store.write(changes(NET))).rejects.toMatchObject({ code: "closed", op: "write" });
      expect(fed).toEqual([]);
      await store.close();
      await store.open(feed);
      await store.write(changes(NET));
      expect(fed.length).toBe(1);
    });

    test("an earlier signal does not close a later opening", async () => {
      const store = await create();
      const controller = new AbortController();
      await store.open(new Registry(), { signal: controller.signal });
      await store.close();
      await store.open(new Registry());
      controller.abort();
      await store.write(changes(NET));
    });

    test("open is refused twice, and with an aborted signal", async () => {
      const { store } = await opened();
      await expect(store.open(new Registry())).rejects.toMatchObject({ code: "open", op: "open" });
      await store.close();
      const signal = AbortSignal.abort(new Error("enough"));
      await expect(store.open(new Registry(), { signal })).rejects.toThrow("enough");
    });

    test("written before open is refused", async () => {
      await expect((await create()).write(changes(NET))).rejects.toMatchObject({ code: "closed" });
    });
  });
}

/** The service again, with a published port that is allocated. */
const dynamic = (name: string): Change[] =>
  changes(`service ${name} port=http:80/tcp on n on m`).map((change) =>
    change.kind !== "service.put"
      ? change
      : { ...change, service: { ...change.service, ports: change.service.ports.map((p) => ({ ...p, published: 0 })) } },
  );
