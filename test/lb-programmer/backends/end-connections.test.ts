/** Which connections end when servers go, of ten thousand as of one. The kernel's table is a list in this file. */
import { beforeEach, expect, test, vi } from "vitest";
import { endConnections } from "../../../src/lb-programmer/backends/nftables/connections.ts";
import type { LbOp, LbState, VirtualServer } from "../../../src/lb-programmer/state.ts";
import { parseState } from "../state-text.ts";

const forgotten = vi.hoisted(() => ({ of: new Set<string>() }));
vi.mock("../../../src/os/netlink/conntrack.ts", () => ({
  forget: (_: unknown, of: Set<string>) => void Object.assign(forgotten, { of }),
}));

beforeEach(() => forgotten.of.clear());

const host = { kind: "host", id: "host", bridge: "br0" } as const;
const removal = (server: VirtualServer): LbOp => ({ op: "server.remove", server });

test.each([
  ["all its tasks", "", ["10.0.1.5", "10.0.1.6"]],
  ["but for a task that its successor has", "server web/net/4 10.0.1.4 mark 300 local rr\n 10.0.1.6 1", ["10.0.1.5"]],
  [
    "its successor has another VIP",
    "server web/net/4 10.0.1.9 mark 300 local rr\n 10.0.1.6 1",
    ["10.0.1.5", "10.0.1.6"],
  ],
])("a server goes: %s", (_, desired, tasks) => {
  const { servers } = parseState("server web/net/4 10.0.1.4 mark 256 local rr\n 10.0.1.5 1\n 10.0.1.6 1");
  endConnections(host, servers.map(removal), parseState(desired));
  expect([...forgotten.of]).toEqual(tasks);
});

test("of ten thousand servers, three thousand are replaced, and each is looked for once", () => {
  const { servers: one } = parseState("server web/net/4 10.0.1.4 mark 256 local rr\n 10.0.1.5 1");
  const servers = Array.from({ length: 10_000 }, (_, i) => ({
    ...one[0]!,
    key: `web${i}`,
    vip: `10.1.${i >> 8}.${i & 255}`,
  }));
  let asked = 0;
  const counted = servers.map(({ key, ...server }) => ({
    ...server,
    get key() {
      asked++;
      return key;
    },
  }));
  const desired: LbState = { ...parseState(""), servers: counted };
  endConnections(host, servers.slice(7_000).map(removal), desired);
  expect(asked).toBeLessThan(30_000);
  expect([...forgotten.of]).toEqual([]);
});
