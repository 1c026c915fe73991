/** What every store must do; each implementation's test calls this with a way to make an empty one. */
import { describe, expect, test } from "vitest";
import type { Change } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import type { Store } from "../../src/registry/stores/store.ts";
import { changes } from "../support/world.ts";

const NET = "network n overlay 10.0.1.0/24";
const kinds = (batch: readonly Change[] | undefined) => batch?.map((c) => c.kind);

export function storeConformance(name: string, create: () => Promise<Store>): void {
  const opened = async () => {
    const store = await create();
    const fed: (readonly Change[])[] = [];
    await store.open((batch) => void fed.push(batch));
    return { store, fed };
  };

  /** What a registry holds that opens the store after all this. */
  const reopened = async (store: Store) => {
    await store.close();
    const registry = new Registry();
    await store.open((batch) => void registry.apply(batch));
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
      for (const line of ["sandbox c", "container c on n", "task web.1 on n", "service web on n", NET])
        await store.write(changes(line));
      await store.close();
      const fed: (readonly Change[])[] = [];
      await store.open((batch) => void fed.push(batch));
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
      await store.open((batch) => void registry.apply(batch));
      await store.write(changes(NET));
      await expect(store.write(changes("container ok on n\n container c on nowhere"))).rejects.toThrow("no network");
      expect([...(await reopened(store)).state.containers]).toEqual([]);
    });

    test.each<[string, (store: Store, abort: () => void) => Promise<void> | void]>([
      ["close", (store) => store.close()],
      ["abort", (_, abort) => abort()],
    ])("after %s nothing is fed and a write is refused; it can be opened again", async (_, end) => {
      const store = await create();
      const controller = new AbortController();
      const fed: unknown[] = [];
      await store.open((batch) => void fed.push(batch), controller.signal);
      await end(store, () => controller.abort());
      await expect(store.write(changes(NET))).rejects.toMatchObject({ code: "closed", op: "write" });
      expect(fed).toEqual([]);
      await store.close();
      await store.open((batch) => void fed.push(batch));
      await store.write(changes(NET));
      expect(fed.length).toBe(1);
    });

    test("an earlier signal does not close a later opening", async () => {
      const store = await create();
      const controller = new AbortController();
      await store.open(() => {}, controller.signal);
      await store.close();
      await store.open(() => {});
      controller.abort();
      await store.write(changes(NET));
    });

    test("open is refused twice, and with an aborted signal", async () => {
      const { store } = await opened();
      await expect(store.open(() => {})).rejects.toMatchObject({ code: "open", op: "open" });
      await store.close();
      await expect(store.open(() => {}, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    });

    test("written before open is refused", async () => {
      await expect((await create()).write(changes(NET))).rejects.toMatchObject({ code: "closed" });
    });
  });
}
