import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import { backendCases } from "../../src/testing/backend.ts";
import { runCases } from "../support/cases.ts";

const target: LbTarget = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1" };
const other: LbTarget = { kind: "sandbox", id: "sandbox/c2", sandbox: "c2" };

runCases(
  "backend: fake",
  backendCases(
    async () => {
      const backend = new FakeBackend();
      return {
        backend,
        target,
        other,
        flush: async () => backend.flush(target.id),
        destroy: async () => backend.destroy(target.id),
        close: async () => {},
      };
    },
    { device: "eth0", runs: 300 },
  ),
);
