/** Which service and network a namespace's counts are of. */
import { expect, test } from "vitest";
import { type LbBackend, LbError, type Taken } from "../../../src/lb-programmer/backends/backend.ts";
import { DryRunBackend } from "../../../src/lb-programmer/backends/dry-run.ts";
import { FakeBackend } from "../../../src/lb-programmer/backends/fake.ts";
import { traffic } from "../../../src/lb-programmer/order/traffic.ts";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";
import type { Network, ReadonlyState, Service } from "../../../src/model/types.ts";

const target = (id: string): LbTarget => ({ kind: "sandbox", id, sandbox: id });
const TARGETS = [target("a"), target("b"), target("gone")];

const idsOf = <T>(ids: readonly string[]) => new Map(ids.map((id) => [id, {} as T]));
const STATE = {
  services: idsOf<Service>(["web", "a/b"]),
  networks: idsOf<Network>(["mynet", "n/4"]),
} as Partial<ReadonlyState> as ReadonlyState;

/** Each connection is of two packets, each of 30 octets. */
const carried = (connections: number): Taken => ({ connections, packets: 2 * connections, bytes: 60 * connections });

const counting = (counts: Readonly<Record<string, Readonly<Record<string, number>>>>): LbBackend =>
  Object.assign(new FakeBackend(), {
    taken: async (target: LbTarget) => {
      const taken = counts[target.id];
      if (taken === undefined) throw new LbError("gone", target, "it is gone");
      return new Map(Object.entries(taken).map(([key, connections]) => [key, carried(connections)]));
    },
  });

test.each<[string, Parameters<typeof counting>[0], readonly (readonly [string, string, number])[]]>([
  ["nothing", { a: {}, b: {} }, []],
  [
    "families, ways and namespaces together",
    { a: { "web/mynet/4": 1, "web/mynet/6": 2 }, b: { "web/mynet/4": 4, "web/mynet/4/local": 8 } },
    [["web", "mynet", 15]],
  ],
  [
    "ids with slashes",
    { a: { "a%2Fb/n%2F4/6": 1, "a%2Fb/mynet/4": 2, "web/n%2F4/4/local": 4 }, b: {} },
    [
      ["a/b", "n/4", 1],
      ["a/b", "mynet", 2],
      ["web", "n/4", 4],
    ],
  ],
  ["services that are not there any more", { a: { "api/mynet/4": 1, "web/other/4": 1, web: 1 }, b: {} }, []],
])("%s", async (_, counts, expected) => {
  const found = await traffic(counting(counts), TARGETS, STATE);
  expect(found).toEqual(expected.map(([service, network, count]) => ({ service, network, ...carried(count) })));
});

test("a backend that does not count", async () => {
  expect(await traffic(new DryRunBackend({ print: () => {} }), TARGETS, STATE)).toEqual([]);
});
