/** A backend whose calls are timed: what a change costs in the kernel, apart from what it costs before. */
import type { LbBackend } from "../src/lb-programmer/backends/backend.ts";

export interface Timing {
  readonly backend: LbBackend;
  /** Milliseconds in calls of it since `reset`. */
  readonly spent: number;
  reset(): void;
}

export function timing(backend: LbBackend): Timing {
  let spent = 0;
  const timed = async <T>(call: Promise<T>): Promise<T> => {
    const started = performance.now();
    try {
      return await call;
    } finally {
      spent += performance.now() - started;
    }
  };
  return {
    backend: {
      name: backend.name,
      ...(backend.sysctls && { sysctls: (idle) => backend.sysctls!(idle) }),
      probe: (target) => backend.probe(target),
      read: (target, keys) => timed(backend.read(target, keys)),
      apply: (target, ops, desired) => timed(backend.apply(target, ops, desired)),
      connections: (...of) => timed(backend.connections(...of)),
      watch: (target, changed) => backend.watch?.(target, changed) ?? (() => {}),
      ...(backend.unchanged && { unchanged: (target) => backend.unchanged!(target) }),
      ...(backend.blocked && { blocked: (target) => backend.blocked!(target) }),
      clear: (target) => backend.clear(target),
      close: () => backend.close?.(),
    },
    get spent() {
      return spent;
    },
    reset() {
      spent = 0;
    },
  };
}
