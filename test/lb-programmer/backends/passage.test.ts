/** Others' forward chains may have any number of rules, and there may be any number of published ports. What they decide: test/kernel/firewalls. */
import { expect, test } from "vitest";
import { inTheWay } from "../../../src/lb-programmer/backends/common/passage.ts";
import type { PublishedPort } from "../../../src/lb-programmer/state.ts";
import type { ForwardChain, ForwardRule } from "../../../src/os/nftables/forward.ts";

test("a rule that does not ask for the port is looked at once for all of them", () => {
  let looks = 0;
  const rules = Array.from({ length: 50 }, (_, handle): ForwardRule => {
    const rule = { handle, steps: [] };
    return Object.defineProperty(rule, "steps", {
      get: () => {
        looks++;
        return [];
      },
    });
  });
  const chain: ForwardChain = {
    family: "inet",
    table: "f",
    name: "c",
    policy: "drop",
    rules: new Map([["c", rules]]),
    sets: new Map(),
  };
  const ports = Array.from(
    { length: 50 },
    (_, i): PublishedPort => ({ protocol: "tcp", port: i, to: "172.30.0.3", toPort: i, bridge: "gw" }),
  );
  expect(inTheWay({ chains: [chain] }, ports)).toContain(
    "published port 0/tcp (IPv4) and 49 more: dropped by nftables chain inet f c",
  );
  expect(looks).toBeLessThanOrEqual(2 * rules.length);
});
