/** Keeps objects as long as the process lives: for one node after another, and for tests. */
import { Objects } from "./objects.ts";
import { type Feed, type Store, StoreError } from "./store.ts";

export function memoryStore(): Store {
  const objects = new Objects();
  let feed: Feed | undefined;
  let stopListening: (() => void) | undefined;

  const close = async (): Promise<void> => {
    feed = undefined;
    stopListening?.();
    stopListening = undefined;
  };

  return {
    close,

    async open(into, { signal } = {}) {
      signal?.throwIfAborted();
      if (feed !== undefined) throw new StoreError("open", "open", "the store is open already");
      const stored = objects.all();
      if (stored.length > 0) into.restore(stored);
      feed = into;
      signal?.addEventListener("abort", close, { once: true });
      stopListening = () => signal?.removeEventListener("abort", close);
    },

    async write(changes) {
      if (feed === undefined) throw new StoreError("closed", "write", "the store is not open");
      if (Array.isArray(changes) && changes.length === 0) return feed.revision;
      return feed.feed(changes, (became) => objects.keep(became)).revision;
    },
  };
}
