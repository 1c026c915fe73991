/** Others' forward chains may have any number of rules, and there may be any number of published ports. What they decide: test/kernel/firewalls. */
import { expect, test } from "vitest";
import { inTheWay } from "../../../src/lb-programmer/backends/common/passage.ts";
import type { PublishedPort } from "../../../src/lb-programmer/state.ts";
import { parseAttributes } from "../../../src/os/netlink/read.ts";
import { MessageWriter } from "../../../src/os/netlink/write.ts";
import type { ForwardChain, ForwardRule, Step } from "../../../src/os/nftables/forward.ts";
import { type Verdict, verdict } from "../../../src/os/nftables/layout.ts";

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
  expect(inTheWay({ chains: [chainOf("drop", [["c", rules]])] }, ports(50))).toContain(
    "published port 0/tcp (IPv4) and 49 more: dropped by nftables chain inet f c",
  );
  expect(looks).toBeLessThanOrEqual(2 * rules.length);
});

const chainOf = (
  policy: "accept" | "drop",
  rules: readonly (readonly [string, readonly ForwardRule[]])[],
): ForwardChain => ({
  ...{ family: "inet", table: "f", name: "c", policy },
  ...{ rules: new Map(rules), sets: new Map() },
});

const ports = (count: number) =>
  Array.from(
    { length: count },
    (_, i): PublishedPort => ({ protocol: "tcp", port: i, to: "172.30.0.3", toPort: i, bridge: "gw" }),
  );

const step = (name: string, write: (to: MessageWriter) => unknown): Step => {
  const octets = new MessageWriter().message(0, 0, [0, 0, 0, 0], (to) => void write(to)).octets;
  return { name, attributes: parseAttributes(octets.subarray(20)) };
};
const deciding = (what: Verdict): Step => step("immediate", (to) => verdict.write(to.be32(1, 0), 2, what));
const ASKS_FOR_PORT = step("payload", (to) => to.be32(1, 1).be32(2, 2).be32(3, 2).be32(4, 2));

/** 16 chains, each of which leads to the next one twice. */
const deep = (last: readonly ForwardRule[], before: readonly Step[] = []) =>
  ["c", ...Array.from({ length: 15 }, (_, i) => `c${i + 1}`)].map((name, i) => {
    const jump = (handle: number): ForwardRule => ({ handle, steps: [...before, deciding(`jump c${i + 1}`)] });
    return [name, i < 15 ? [jump(1), jump(2)] : last] as const;
  });

test.each<[string, ForwardChain, number, string | undefined]>([
  ["pass", chainOf("accept", deep([])), 2000, undefined],
  [
    "end at the policy",
    chainOf("drop", deep([])),
    2000,
    "0/tcp (IPv4) and 1999 more: dropped by nftables chain inet f c (policy drop)",
  ],
  [
    "end where all of them lead",
    chainOf("accept", deep([{ handle: 7, steps: [deciding("drop")] }])),
    2000,
    "dropped by nftables chain inet f c (rule with handle 7 of chain c15)",
  ],
  ["ask for the port each time", chainOf("accept", deep([], [ASKS_FOR_PORT])), 500, undefined],
])("chains that lead to others are followed once: they %s", (_, chain, count, said) => {
  const started = performance.now();
  const answer = inTheWay({ chains: [chain] }, ports(count));
  if (said === undefined) expect(answer).toBeUndefined();
  else expect(answer).toContain(said);
  expect(performance.now() - started).toBeLessThan(1_000);
});

test("what takes too many steps is not followed, and that is said", () => {
  const rules = Array.from({ length: 5_000 }, (_, handle): ForwardRule => ({ handle, steps: [ASKS_FOR_PORT] }));
  const chain = chainOf("drop", [["c", rules]]);
  expect(inTheWay({ chains: [chain] }, ports(10))).toContain("dropped by nftables chain inet f c (policy drop)");
  const started = performance.now();
  expect(inTheWay({ chains: [chain] }, ports(10_000))).toBe(
    "whether nftables chain inet f c drops published ports could not be looked at: to follow its rules takes more than 500000 steps",
  );
  expect(performance.now() - started).toBeLessThan(5_000);
});
