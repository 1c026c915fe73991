/** VIPs on an interface, and the agent's addresses beside them: whose is whose, when a link goes down and up again. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { createReconciler, type Reconciler } from "../../src/lb-programmer/reconcile/reconciler.ts";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const STATE = parseState(`
  server web/net/4 10.0.1.50 mark 256 arriving rr
    10.0.1.11 1
  server web/net/6 fd77::50 mark 257 arriving rr
    fd77::11 1
  address 10.0.1.50 dev0
  address fd77::50 dev0
`);
const AGENT = ["10.0.1.3/24", "fd77::3/64"];
const VIPS = ["10.0.1.50/32", "fd77::50/128"];

/** What happens (i: ip in the namespace), and the addresses that are there then, and after the end. */
const ROWS: readonly (readonly [
  name: string,
  before: readonly string[],
  commands: readonly string[],
  then: readonly string[],
  end: readonly string[],
])[] = [
  ["nothing", AGENT, [], [...AGENT, ...VIPS], AGENT],
  [
    "the link goes down and up",
    AGENT,
    ["link set dev0 down", "link set dev0 up"],
    ["10.0.1.3/24", ...VIPS],
    ["10.0.1.3/24"],
  ],
  ["it goes down, and stays so", AGENT, ["link set dev0 down"], ["10.0.1.3/24", ...VIPS], ["10.0.1.3/24"]],
  [
    "and the agent puts back its own",
    AGENT,
    ["link set dev0 down", "link set dev0 up", "address add fd77::3/64 dev dev0 nodad"],
    [...AGENT, ...VIPS],
    AGENT,
  ],
  ["somebody takes a VIP away", AGENT, ["address del fd77::50/128 dev dev0"], [...AGENT, ...VIPS], AGENT],
  ["a VIP that the agent has put there itself", [...AGENT, ...VIPS], [], [...AGENT, ...VIPS], [...AGENT, ...VIPS]],
  [
    "so, with the network's range",
    ["10.0.1.50/24", "fd77::50/64"],
    [],
    ["10.0.1.50/24", "10.0.1.50/32", "fd77::50/64"],
    ["10.0.1.50/24", "fd77::50/64"],
  ],
];

describe.skipIf(!privileged())("addresses", () => {
  let namespace: Namespace;
  let target: LbTarget;
  let backend: NftablesBackend;
  let reconciler: Reconciler;
  beforeEach(async () => {
    namespace = await freshNamespace("addr");
    target = { kind: "network", id: "network/net", network: "net", device: "dev0", netns: namespace.path };
    await namespace.run("ip", "link", "add", "dev0", "up", "type", "bridge");
    backend = new NftablesBackend();
    reconciler = createReconciler({ backend, plan: () => STATE });
  });
  afterEach(async () => {
    await reconciler.close();
    backend.close();
    await namespace.remove();
  });

  const there = async () =>
    [...(await namespace.run("ip", "-o", "address", "show", "dev", "dev0")).matchAll(/inet6? (\S+)/g)]
      .map(([, address]) => address!)
      .filter((address) => !address.startsWith("fe80"))
      .sort();

  test.each(ROWS)("%s", async (_, before, commands, then, end) => {
    for (const address of before)
      await namespace.run("ip", "address", "add", address, "dev", "dev0", ...(address.includes(":") ? ["nodad"] : []));
    reconciler.add(target);
    expect((await reconciler.installed(0)).degraded).toEqual([]);
    for (const command of commands) await namespace.run("ip", ...command.split(" "));
    await vi.waitFor(async () => expect(await there()).toEqual([...then].sort()), { timeout: 3_000, interval: 50 });
    await reconciler.remove(target);
    expect(await there()).toEqual([...end].sort());
  });
});
