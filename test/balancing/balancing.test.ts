/** Kernel, names, kernel: what is new is installed before a name leads to it, what goes is removed after no name does. */

import { once } from "node:events";
import { createServer } from "node:net";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Balancing } from "../../src/balancing/balancing.ts";
import type { BalanceOptions } from "../../src/balancing/options.ts";
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import { Registry } from "../../src/registry/registry.ts";
import { opText } from "../lb-programmer/state-text.ts";
import { changes } from "../support/world.ts";

const BASE = `
  network n overlay 10.0.1.0/24
  service web on n vip=10.0.1.2
  task web.1 on n ip=10.0.1.3
  container client on n ip=10.0.1.9
`;

describe("a change", () => {
  let registry: Registry;
  let backend: FakeBackend;
  let said: string[];
  let balancing: Balancing;
  let happened: string[];

  function start(options: BalanceOptions = {}): void {
    balancing = new Balancing(
      { backend, ...options },
      {
        state: () => registry.state,
        changeNames: () => void happened.push("names"),
        onNotice: (message) => void said.push(message),
      },
    );
    registry.on("change", () => balancing.follow());
    onTestFinished(() => balancing.close({ clear: false }));
  }

  /** What was done in kernel and names since the last time, in order. */
  function events(): string[] {
    return happened.splice(0);
  }

  beforeEach(() => {
    registry = new Registry();
    said = [];
    happened = [];
    backend = new FakeBackend();
    const { apply } = backend;
    backend.apply = async (target, ops, desired) => {
      await apply.call(backend, target, ops, desired);
      happened.push(...ops.map(opText));
    };
  });

  const change = async (text: string): Promise<void> => {
    registry.apply(changes(text));
    await balancing.settled();
  };

  async function withClient(): Promise<void> {
    start();
    registry.apply(changes(BASE));
    const sandbox = { id: "s", member: { kind: "container", id: "client" }, listen: [], netns: "/x" } as const;
    registry.apply([{ kind: "sandbox.put", sandbox }]);
    balancing.add(sandbox);
    await balancing.settled();
    events();
  }

  test("a new service is in the kernel before its name answers", async () => {
    await withClient();
    await change("service api on n vip=10.0.1.20\n task api.1 on n ip=10.0.1.21");
    const all = events();
    const names = all.indexOf("names");
    expect(all.findIndex((e) => /destination.*10\.0\.1\.21/.test(e))).toBeGreaterThanOrEqual(0);
    expect(all.findIndex((e) => /destination.*10\.0\.1\.21/.test(e))).toBeLessThan(names);
  });

  test("a service that goes has no name any more before it leaves the kernel", async () => {
    await withClient();
    registry.apply([{ kind: "service.remove", id: "web" }]);
    await balancing.drained();
    const all = events();
    expect(all[0]).toBe("names");
    expect(backend.state("sandbox/s").servers).toEqual([]);
  });

  test("a kernel that refuses holds names up for a moment only, and is seen", async () => {
    await withClient();
    backend.fail({ call: "apply", times: Number.POSITIVE_INFINITY, message: "no room" });
    await change("service api on n vip=10.0.1.20\n task api.1 on n ip=10.0.1.21");
    expect(events()).toContain("names");
    expect(balancing.problems).toEqual(["sandbox/s: degraded: sandbox/s: no room"]);
    expect(said).toEqual(["sandbox/s: degraded: sandbox/s: no room"]);
    backend.succeed();
    await change("service other on n vip=10.0.1.30");
    expect(balancing.problems).toEqual([]);
    expect(said.at(-1)).toBe("sandbox/s: good again");
    expect(
      backend
        .state("sandbox/s")
        .servers.map((s) => s.vip)
        .sort(),
    ).toEqual(["10.0.1.2", "10.0.1.20", "10.0.1.30"]);
  });

  test("a sandbox that goes leaves nothing in its namespace", async () => {
    await withClient();
    expect(backend.state("sandbox/s").servers).toHaveLength(1);
    await balancing.remove("s");
    expect(backend.calls.at(-1)).toMatchObject({ call: "clear", target: "sandbox/s" });
    expect(balancing.active).toBe(false);
  });

  test("a published port that is somebody else's is not led away from him", async () => {
    const taken = createServer().listen(0, "0.0.0.0");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as { port: number };
    const mesh = {
      ingress: { netns: "/ingress", device: "eth0", ip4: "10.0.9.2" },
      host: { bridge: "gw", to4: "172.30.0.2" },
    };
    start({ mesh });
    const ports = [port, 0].map((published) => ({ protocol: "tcp", target: 80, published, mode: "ingress" }) as const);
    registry.apply(
      changes("network mesh overlay ingress 10.0.9.0/24\n network n overlay 10.0.1.0/24\n service web on n").map((c) =>
        c.kind === "service.put" ? { ...c, service: { ...c.service, ports } } : c,
      ),
    );
    await balancing.settled();
    expect(said).toEqual([
      `published port ${port}/tcp (IPv4): bind 0.0.0.0:${port}: EADDRINUSE; it is not published here`,
    ]);
    expect(backend.state("host").published.map((p) => p.port)).toEqual([30_000]);
    expect(balancing.problems).toEqual([`${port}/tcp (IPv4): bind 0.0.0.0:${port}: EADDRINUSE`]);
  });
});
