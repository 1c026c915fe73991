/** Keeps objects as long as the process lives: for one node after another, and for tests. */
import { Objects } from "./objects.ts";
import { type Feed, type Store, StoreError } from "./store.ts";

export function memoryStore(): Store {
  const objects = new Objects();
  let revision = 0;
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
      if (revision > 0) into.restore(objects.all(), revision);
      feed = into;
      signal?.addEventListener("abort", close, { once: true });
      stopListening = () => signal?.removeEventListener("abort", close);
    },

    async write(changes) {
      if (feed === undefined) throw new StoreError("closed", "write", "the store is not open");
      if (Array.isArray(changes) && changes.length === 0) return feed.revision;
      const fed = feed.feed(changes, (became) => objects.keep(became));
      revision = Math.max(revision, fed.revision); // a listener may have written more
      return fed.revision;
    },
  };
}
