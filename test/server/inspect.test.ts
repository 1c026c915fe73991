/** What people ask a running node: explanations, what is balanced, whether the kernel is as it should be. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createNode, type ElevenNode } from "../../src/daemon.ts";
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import { changes } from "../support/world.ts";

let node: ElevenNode;
let kernel: FakeBackend;
beforeEach(async () => {
  kernel = new FakeBackend();
  const networks = [{ network: "n", netns: "/run/netns/lb", ip4: "10.0.1.250", device: "eth0" }];
  node = createNode({
    workers: 0,
    policy: {
      upstreams: [
        { address: "192.0.2.53", port: 53 },
        { address: "192.0.2.54", port: 53, domains: ["corp.example"] },
      ],
    },
    balance: { backend: kernel, placement: "network", networks },
  });
  node.apply(
    changes(`
      network n overlay 10.0.1.0/24
      service web on n vip=10.0.1.2
      task web.1 on n ip=10.0.1.3
      task web.2 on n ip=10.0.1.4
      service rr dnsrr on n
      task rr.1 on n ip=10.0.1.5
      container c on n ip=10.0.1.9
    `),
  );
  node.apply([
    { kind: "task.patch", id: "web-2-id", patch: { weight: 3 } },
    {
      kind: "sandbox.put",
      sandbox: { member: { kind: "container", id: "c" }, listen: [], ndots: 0, search: ["corp.example", "lan"] },
    },
  ]);
  await node.applied();
});
afterEach(() => node.close());

describe("explain", () => {
  /** Names that are asked, where they were found and by whom they are claimed, what is behind them; a line each. */
  async function told(question: string): Promise<string[]> {
    const [name = "", type = "A"] = question.split(" ");
    const { asked } = await node.inspect.explain("c", name, type);
    return asked.flatMap(({ name, status, records, claims, balanced, upstreams }) => [
      `${name}: ${status} ${records.join(" ")}`.trim(),
      ...claims.map(({ by, records }) => `  ${by}: ${records.join(" ")}`),
      ...balanced.flatMap(({ target, backend, servers }) =>
        servers.flatMap(({ vip, mark, destinations }) => [
          `  ${vip} in ${target} by ${backend}, mark ${mark}`,
          ...destinations.map(
            ({ address, task, weight, open }) => `    ${address} ${task} weight ${weight}, ${open} open`,
          ),
        ]),
      ),
      ...upstreams.map(({ address }) => `  asks ${address}`),
    ]);
  }

  test.each([
    ["rr", ["rr: answered 10.0.1.5", "  service rr: ", "  task rr-1-id: 10.0.1.5"]],
    [
      "web",
      [
        "web: answered 10.0.1.2",
        "  service web: 10.0.1.2",
        "  10.0.1.2 in network/n by fake, mark 256",
        "    10.0.1.3 web-1-id weight 1, 0 open",
        "    10.0.1.4 web-2-id weight 3, 0 open",
      ],
    ],
    ["web AAAA", ["web: no such record", "  service web: ", "web.corp.example: forwarded", "  asks 192.0.2.54"]],
    ["web.n AAAA", ["web.n: no such record", "  service web: ", "web.n.corp.example: forwarded", "  asks 192.0.2.54"]],
    ["nothing.lan", ["nothing.lan: forwarded", "  asks 192.0.2.53"]],
    ["x.corp.example.", ["x.corp.example: forwarded", "  asks 192.0.2.54"]],
    ["localhost TXT", ["localhost: no such record", "localhost.corp.example: forwarded", "  asks 192.0.2.54"]],
  ])("%s", async (question, expected) => {
    expect(await told(question)).toEqual(expected);
  });

  test.each([
    ["nobody", "web", "A", 'there is no sandbox "nobody"'],
    ["c", "a..b", "A", 'the name "a..b" has an empty label'],
    ["c", "web", "AA", 'there is no type "AA"; A, AAAA, PTR, SRV and TXT are usual'],
  ])("sandbox %s, name %s, type %s: %s", async (sandbox, name, type, message) => {
    await expect(node.inspect.explain(sandbox, name, type)).rejects.toMatchObject({ name: "NodeError", message });
  });
});

describe("the kernel", () => {
  test("shows what each server has, with the tasks that are meant", async () => {
    const [view] = await node.inspect.balance("network/n");
    expect(view).toMatchObject({ target: "network/n", netns: "/run/netns/lb", state: "equal", backend: "fake" });
    expect(view?.servers.map(({ service, network, vip }) => `${service} ${network} ${vip}`)).toEqual([
      "web n 10.0.1.2",
    ]);
    expect(await node.inspect.balance("sandbox/c")).toEqual([]);
  });

  test("is compared and put right", async () => {
    expect(await node.inspect.drift()).toEqual([{ target: "network/n", steps: [] }]);
    kernel.flush("network/n", { silently: true });
    const [drift] = await node.inspect.drift();
    expect(drift?.steps).toContain("destination.add web/n/4 10.0.1.3 1");
    const [repaired] = await node.inspect.repair("network/n");
    expect(repaired).toEqual({ target: "network/n", repaired: drift?.steps, left: [] });
    expect(await node.inspect.drift()).toEqual([{ target: "network/n", steps: [] }]);
  });

  test("can't be read: that is said, and nothing is hidden by it", async () => {
    kernel.fail({ call: "read", times: Number.POSITIVE_INFINITY, message: "no" });
    expect(await node.inspect.drift()).toEqual([{ target: "network/n", steps: [], problem: "network/n: no" }]);
    kernel.succeed();
  });
});
