/** Listening addresses, and who is behind them, with sockets that do what the test says. */
import { expect, test } from "vitest";
import { Listeners } from "../../src/server/listeners.ts";

test("one that can't be closed does not keep the others open", async () => {
  const open = new Set<number>();
  const listeners = new Listeners({
    open: async ({ port }) => {
      open.add(port);
      return {
        port,
        changed() {},
        async close() {
          open.delete(port);
          if (port === 1) throw new Error("no");
        },
      };
    },
  });
  const listen = [1, 2, 3].map((port) => ({ address: "127.0.0.1", port }));
  await listeners.attach("s", listen, {});
  await expect(listeners.detach("s")).rejects.toThrow("no");
  expect([...open]).toEqual([]);
});
