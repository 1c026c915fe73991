/** Which addresses of interfaces a change may touch, with kernels that can say whose they are, and with older ones. */
import { afterEach, expect, test, vi } from "vitest";
import type { InterfaceAddress } from "../../../src/os/netlink/rtnetlink.ts";

const kernel = vi.hoisted(() => ({ release: "", addresses: [] as unknown[] }));
vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  release: () => kernel.release,
}));
vi.mock("../../../src/os/netlink/rtnetlink.ts", async (original) => ({
  ...(await original<typeof import("../../../src/os/netlink/rtnetlink.ts")>()),
  interfaceAddresses: () => kernel.addresses,
}));
afterEach(() => vi.resetModules());

const [OURS, AGENTS] = [11, 0];
const at = (address: string, protocol?: number): InterfaceAddress => ({
  address,
  prefix: address.includes(":") ? 128 : 32,
  device: "dev0",
  ...(protocol !== undefined && { protocol }),
});

test.each<[string, string, readonly InterfaceAddress[], readonly string[], readonly string[]]>([
  ["ours", "6.1.0", [at("10.0.1.4", OURS), at("fd00::4", OURS)], ["10.0.1.4", "fd00::4"], ["10.0.1.4", "fd00::4"]],
  ["the agent's", "6.1.0", [at("10.0.1.4", AGENTS), at("fd00::4", OURS)], ["10.0.1.4", "fd00::4"], ["fd00::4"]],
  ["those that are not there: nothing is asked of the kernel", "6.1.0", [at("fd00::4", OURS)], ["10.0.1.4"], []],
  ["whoever's they are, the kernel does not say", "5.10.0", [at("10.0.1.4")], ["10.0.1.4", "10.0.1.5"], ["10.0.1.4"]],
])("addresses that are to go: %s", async (_, release, there, removed, gone) => {
  Object.assign(kernel, { release, addresses: there });
  const { ownOf } = await import("../../../src/lb-programmer/backends/common/own-addresses.ts");
  const change = ownOf({ added: [], removed: removed.map((address) => at(address)) });
  expect(change.removed.map(({ address }) => address)).toEqual(gone);
});
