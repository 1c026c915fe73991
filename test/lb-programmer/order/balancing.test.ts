/** Kernel, names, kernel: what is new is installed before a name leads to it, what goes is removed after no name does. */

import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { FakeBackend } from "../../../src/lb-programmer/backends/fake.ts";
import { BACKENDS } from "../../../src/lb-programmer/backends/table.ts";
import { Balancing } from "../../../src/lb-programmer/order/balancing.ts";
import type { BalanceOptions } from "../../../src/lb-programmer/order/options.ts";
import { Start } from "../../../src/lb-programmer/order/start.ts";
import { StateDir } from "../../../src/os/state-dir.ts";
import { Registry } from "../../../src/registry/registry.ts";
import { changes } from "../../support/world.ts";
import { opText } from "../state-text.ts";

const BASE = `
  network n overlay 10.0.1.0/24
  service web on n vip=10.0.1.2
  task web.1 on n ip=10.0.1.3
  container client on n ip=10.0.1.9
`;

const SANDBOX = { id: "s", member: { kind: "container", id: "client" }, listen: [], netns: "/x" } as const;
const MESH = {
  ingress: { netns: "/ingress", device: "eth0", ip4: "10.0.9.2" },
  host: { bridge: "gw", to4: "172.30.0.2" },
};

describe("a change", () => {
  let registry: Registry;
  let backend: FakeBackend;
  let said: string[];
  let balancing: Balancing;
  let happened: string[];
  let base: number;

  function start(options: BalanceOptions = {}): void {
    balancing = new Balancing(
      { backend, ...options },
      {
        state: () => registry.state,
        changeNames: async (revision) => void happened.push(`names ${revision - base}`),
        stateDir: new StateDir(mkdtempSync(join(tmpdir(), "eleven-state-"))),
        onNotice: (message) => void said.push(message),
      },
    );
    registry.on("change", (applied) => balancing.follow(applied));
    onTestFinished(() => balancing.close({ clear: false }));
  }

  /** What was done in kernel and names since the last time, in order. Revisions of names count from there. */
  function events(): string[] {
    base = registry.state.revision;
    return happened.splice(0);
  }

  const degraded = () => balancing.status().flatMap((s) => (s.state === "degraded" ? `${s.target}: ${s.reason}` : []));

  beforeEach(() => {
    registry = new Registry();
    said = [];
    happened = [];
    base = 0;
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
    registry.apply([{ kind: "sandbox.put", sandbox: SANDBOX }]);
    balancing.add(SANDBOX);
    await balancing.settled();
    events();
  }

  test("a new service is in the kernel before its name answers", async () => {
    await withClient();
    await change("service api on n vip=10.0.1.20\n task api.1 on n ip=10.0.1.21");
    const all = events();
    const names = all.indexOf("names 1");
    expect(all.findIndex((e) => /destination.*10\.0\.1\.21/.test(e))).toBeGreaterThanOrEqual(0);
    expect(all.findIndex((e) => /destination.*10\.0\.1\.21/.test(e))).toBeLessThan(names);
  });

  test("names wait a second for a backend to be found; who wants to know that all is there waits for it", async () => {
    let found = (): void => {};
    const looking = new Promise<void>((resolve) => {
      found = resolve;
    });
    backend.probe = () => looking;
    vi.spyOn(BACKENDS.ipvs, "create").mockReturnValue(backend); // the first that "auto" tries
    onTestFinished(() => void vi.restoreAllMocks());
    start({ backend: "auto" });
    registry.apply(changes(BASE));
    registry.apply([{ kind: "sandbox.put", sandbox: SANDBOX }]);
    balancing.add(SANDBOX);
    const settled = balancing.settled();
    await vi.waitFor(() => expect(happened.some((event) => event.startsWith("names "))).toBe(true), { timeout: 5_000 });
    found();
    await settled;
    expect(backend.state("sandbox/s").servers.map(({ key }) => key)).toEqual(["web/n/4"]);
  });

  test("a service that goes has no name any more before it leaves the kernel", async () => {
    await withClient();
    registry.apply([{ kind: "service.remove", id: "web" }]);
    await balancing.drained();
    const all = events();
    expect(all[0]).toBe("names 1");
    expect(backend.state("sandbox/s").servers).toEqual([]);
  });

  test("changes back to back: no name is ahead of the kernel", async () => {
    await withClient();
    const { apply } = backend;
    backend.apply = async (...args) => {
      await new Promise((done) => setTimeout(done, 20));
      await apply.apply(backend, args);
    };
    for (let i = 1; i <= 5; i++) {
      registry.apply(changes(`service api${i} on n vip=10.0.1.2${i}`));
      await new Promise((done) => setTimeout(done, 7));
    }
    await balancing.settled();
    const all = events();
    const namesOf = (i: number) => all.findIndex((e) => e.startsWith("names ") && Number(e.slice(6)) >= i);
    for (let i = 1; i <= 5; i++)
      expect(
        all.findIndex((e) => e.startsWith(`server.add api${i}`)),
        all.join("\n"),
      ).toBeLessThan(namesOf(i));
    expect(all.at(-1)).toBe("names 5");
  });

  test("a change at whatever moment of a run before it is not forgotten", async () => {
    await withClient();
    for (let steps = 0; steps < 60; steps++) {
      registry.apply(changes(`container other on n ip=10.0.1.${100 + steps}`));
      for (let i = 0; i < steps; i++) await null;
      registry.apply(changes(`container another on n ip=10.0.1.${180 + steps}`));
      await balancing.settled();
      expect(events().at(-1), `after ${steps} steps`).toBe("names 2");
    }
  });

  test("what leaves while a pass is at work stays until names have left it", async () => {
    await withClient();
    await change("service api on n vip=10.0.1.20\n task api.1 on n ip=10.0.1.21");
    let enter = () => {};
    let leave = () => {};
    const entered = new Promise<void>((resolve) => (enter = resolve));
    const left = new Promise<void>((resolve) => (leave = resolve));
    backend.before = async (call) => {
      if (call === "read") enter();
      if (call === "read") await left;
    };
    events();
    backend.changed("sandbox/s");
    await entered; // a pass that looks first, and plans later
    registry.apply(changes("service other on n vip=10.0.1.30"));
    await new Promise((done) => setTimeout(done, 5)); // it has been asked for the first change, not for the second
    registry.apply([{ kind: "service.remove", id: "api" }]);
    leave();
    await balancing.drained();
    const all = events();
    const touched = all.findIndex((e) => e.includes(" api/"));
    expect(all.indexOf("names 2")).toBeGreaterThan(0);
    expect(touched, all.join("\n")).toBeGreaterThan(all.indexOf("names 2"));
  });

  test("the first sandbox of a shared namespace moves: both namespaces are kept", async () => {
    await withClient();
    const second = { ...SANDBOX, id: "t" };
    registry.apply([{ kind: "sandbox.put", sandbox: second }]);
    balancing.add(second);
    await balancing.settled();
    await balancing.remove("s");
    balancing.add({ ...SANDBOX, netns: "/y" });
    await balancing.settled();
    const targets = balancing.status().map((s) => s.target);
    expect(targets).toEqual(["sandbox/s", "sandbox/s (2)"]);
    await balancing.remove("t");
    expect(balancing.status().map((s) => s.target)).toEqual(["sandbox/s (2)"]);
    expect(backend.state("sandbox/s (2)").servers).toHaveLength(1);
    expect(backend.state("sandbox/s").servers).toEqual([]);
  });

  test("a sandbox that goes while its namespace is first looked at leaves nobody watching", async () => {
    start();
    registry.apply(changes(BASE));
    registry.apply([{ kind: "sandbox.put", sandbox: SANDBOX }]);
    let look = () => {};
    backend.probe = () => new Promise((resolve) => (look = resolve));
    balancing.add(SANDBOX);
    await vi.waitFor(() => expect(balancing.status()).toHaveLength(1));
    await new Promise((done) => setTimeout(done, 5));
    const gone = balancing.remove("s");
    look();
    await gone;
    expect(backend.watching("sandbox/s")).toBe(0);
  });

  test("a backend that is found when it is the end already is closed", async () => {
    let found = (_: { readonly backend: FakeBackend }) => {};
    const closed = vi.fn();
    const taken = vi.fn();
    const start = new Start({
      choose: () => new Promise((resolve) => (found = resolve)),
      targets: () => [{ kind: "sandbox", id: "sandbox/s", sandbox: "s", netns: "/x" }],
      found: taken,
      onProblem: () => {},
    });
    start.again();
    await new Promise(setImmediate);
    const end = start.close();
    found({ backend: Object.assign(backend, { close: closed }) });
    await end;
    expect([taken.mock.calls.length, closed.mock.calls.length]).toEqual([0, 1]);
  });

  test("what an earlier process left there goes, though nothing changes any more", async () => {
    await withClient();
    await change("service api on n vip=10.0.1.20\n task api.1 on n ip=10.0.1.21");
    const left = new FakeBackend();
    left.set("sandbox/s", backend.state("sandbox/s"));
    await balancing.close({ clear: false });
    registry.apply([{ kind: "service.remove", id: "api" }]);
    start({ backend: left });
    balancing.add({ ...SANDBOX });
    await balancing.drained();
    expect(left.state("sandbox/s").servers.map((s) => s.vip)).toEqual(["10.0.1.2"]);
  });

  test("sandboxes in one namespace are balanced together, and the last that goes takes everything", async () => {
    await withClient();
    registry.apply(
      changes("network m overlay 10.0.2.0/24\n service api on m vip=10.0.2.2\n container other on m ip=10.0.2.9"),
    );
    const second = { id: "t", member: { kind: "container", id: "other" }, listen: [], netns: "/x" } as const;
    registry.apply([{ kind: "sandbox.put", sandbox: second }]);
    balancing.add(second);
    const vips = () =>
      backend
        .state("sandbox/s")
        .servers.map((s) => s.vip)
        .sort();
    await balancing.settled();
    expect(vips()).toEqual(["10.0.1.2", "10.0.2.2"]);
    await balancing.remove("s");
    await balancing.drained();
    expect(vips()).toEqual(["10.0.2.2"]);
    await balancing.remove("t");
    expect(vips()).toEqual([]);
  });

  test("a namespace of the mesh that is not there is seen, tried again, and holds up no other", async () => {
    backend.destroy("ingress");
    start({ mesh: MESH });
    registry.apply(
      changes("network mesh overlay ingress 10.0.9.0/24\n network n overlay 10.0.1.0/24\n service web on n"),
    );
    registry.apply(changes("container client on n ip=10.0.1.9"));
    registry.apply([{ kind: "sandbox.put", sandbox: SANDBOX }]);
    balancing.add(SANDBOX);
    await balancing.settled();
    expect(degraded()).toEqual([expect.stringMatching(/^ingress: /)]);
    expect(backend.state("sandbox/s").servers).toHaveLength(1);
    backend.restore("ingress");
    await vi.waitFor(() => expect(degraded()).toEqual([]), { timeout: 5_000 });
  });

  test("a kernel that refuses holds names up for a moment only, and is seen", async () => {
    await withClient();
    backend.fail({ call: "apply", times: Number.POSITIVE_INFINITY, message: "no room" });
    await change("service api on n vip=10.0.1.20\n task api.1 on n ip=10.0.1.21");
    expect(events()).toContain("names 1");
    expect(degraded()).toEqual(["sandbox/s: sandbox/s: no room"]);
    expect(said).toEqual(["sandbox/s: degraded: no room"]);
    backend.succeed();
    await change("service other on n vip=10.0.1.30");
    expect(degraded()).toEqual([]);
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

  test("names that can't be changed are said, the last good ones stay, and it is tried again", async () => {
    let fail = true;
    balancing = new Balancing(
      { backend },
      {
        state: () => registry.state,
        changeNames: async (revision) => {
          if (fail) throw new Error("a worker is gone");
          happened.push(`names ${revision}`);
        },
        stateDir: new StateDir(mkdtempSync(join(tmpdir(), "eleven-state-"))),
        onNotice: (message) => void said.push(message),
      },
    );
    onTestFinished(() => balancing.close({ clear: false }));
    registry.apply(changes(BASE));
    balancing.add(SANDBOX);
    await vi.waitFor(() => expect(said).toEqual(["a worker is gone"]));
    fail = false;
    await vi.waitFor(() => expect(happened.at(-1)).toBe(`names ${registry.state.revision}`), { timeout: 5_000 });
  });

  test("who is told of something and throws does no harm", async () => {
    balancing = new Balancing(
      { backend },
      {
        state: () => registry.state,
        changeNames: async (revision) => void happened.push(`names ${revision}`),
        stateDir: new StateDir(mkdtempSync(join(tmpdir(), "eleven-state-"))),
        onNotice: () => {
          throw new Error("the log is full");
        },
      },
    );
    onTestFinished(() => balancing.close({ clear: false }));
    backend.fail({ call: "apply", times: 1, message: "no room" });
    registry.apply([...changes(BASE), { kind: "sandbox.put", sandbox: SANDBOX }]);
    balancing.add(SANDBOX);
    await balancing.settled();
    await vi.waitFor(() => expect(balancing.status().map((s) => s.state)).toEqual(["equal"]), { timeout: 5_000 });
    expect(backend.state("sandbox/s").servers).toHaveLength(1);
  });

  test("marks are the same in the next process, whatever a container wrote meanwhile", async () => {
    const stateDir = new StateDir(mkdtempSync(join(tmpdir(), "eleven-state-")));
    const begin = () => {
      balancing = new Balancing(
        { backend },
        { state: () => registry.state, changeNames: async () => {}, stateDir, onNotice: (m) => void said.push(m) },
      );
      balancing.add(SANDBOX);
      return balancing.settled();
    };
    registry.apply([...changes(BASE), { kind: "sandbox.put", sandbox: SANDBOX }]);
    await begin();
    registry.apply([...changes("service api on n vip=10.0.1.20"), { kind: "service.remove", id: "web" }]);
    balancing.follow();
    await balancing.drained();
    await balancing.close({ clear: false });
    const [api] = backend.state("sandbox/s").servers;
    expect(api).toMatchObject({ key: "api/n/4", mark: 257 });
    backend.set("sandbox/s", { ...backend.state("sandbox/s"), servers: [{ ...api!, mark: 4_194_303 }] });
    registry.apply(changes("service db on n vip=10.0.1.30"));
    await begin();
    await balancing.drained();
    const marks = backend.state("sandbox/s").servers.map(({ key, mark }) => `${key} ${mark}`);
    expect(marks.sort()).toEqual(["api/n/4 257", "db/n/4 256"]);
    await balancing.close({ clear: false });
  });

  test.each([
    ["once every namespace is cleared", undefined, false],
    ["nor where the namespace is gone", "gone", false],
    ["but where the kernel refuses to clear one, what is in it must be known again", "denied", true],
  ] as const)("the end keeps no marks: %s", async (_, code, kept) => {
    const folder = mkdtempSync(join(tmpdir(), "eleven-state-"));
    balancing = new Balancing(
      { backend },
      {
        state: () => registry.state,
        changeNames: async () => {},
        stateDir: new StateDir(folder),
        onNotice: (message) => void said.push(message),
      },
    );
    registry.apply([...changes(BASE), { kind: "sandbox.put", sandbox: SANDBOX }]);
    balancing.add(SANDBOX);
    await balancing.settled();
    if (code !== undefined) backend.fail({ call: "clear", code, message: "no" });
    await balancing.close({ clear: true });
    expect(existsSync(join(folder, "marks"))).toBe(kept);
    expect(said).toEqual(kept ? ["sandbox/s: no"] : []);
  });

  test("a backend that only shows what it would do has no port reserved, and remembers no mark", async () => {
    const server = createServer().listen(0, "0.0.0.0");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const folder = mkdtempSync(join(tmpdir(), "eleven-state-"));
    const shows = Object.assign(backend, { dryRun: true });
    balancing = new Balancing(
      { backend: shows, mesh: MESH },
      {
        state: () => registry.state,
        changeNames: async () => {},
        stateDir: new StateDir(folder),
        onNotice: (message) => void said.push(message),
      },
    );
    const ports = [{ protocol: "tcp", target: 80, published: port, mode: "ingress" }] as const;
    registry.apply(
      changes("network mesh overlay ingress 10.0.9.0/24\n network n overlay 10.0.1.0/24\n service web on n").map((c) =>
        c.kind === "service.put" ? { ...c, service: { ...c.service, ports } } : c,
      ),
    );
    balancing.follow();
    await balancing.settled();
    expect(shows.state("host").published.map((p) => p.port)).toEqual([port]);
    expect(said).toEqual([]);
    await balancing.close({ clear: false });
    expect(existsSync(join(folder, "marks"))).toBe(false);
  });

  test("a published port that is somebody else's is not led away from him", async () => {
    const taken = createServer().listen(0, "0.0.0.0");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as { port: number };
    start({ mesh: MESH });
    const ports = [
      ...[port, 0].map((published) => ({ protocol: "tcp", target: 80, published, mode: "ingress" }) as const),
      { protocol: "sctp", target: 80, published: 9_000, mode: "ingress" } as const, // whether this kernel has SCTP or not
    ];
    registry.apply(
      changes("network mesh overlay ingress 10.0.9.0/24\n network n overlay 10.0.1.0/24\n service web on n").map((c) =>
        c.kind === "service.put" ? { ...c, service: { ...c.service, ports } } : c,
      ),
    );
    await balancing.settled();
    expect(said).toEqual([
      `published port ${port}/tcp (IPv4): bind 0.0.0.0:${port}: EADDRINUSE; it is not published here`,
    ]);
    expect(backend.state("host").published.map((p) => p.port)).toEqual([9_000, 30_000]);
    expect(degraded()).toEqual([`host: published port ${port}/tcp (IPv4): bind 0.0.0.0:${port}: EADDRINUSE`]);
    for (const again of [[], ports]) {
      registry.apply([{ kind: "service.patch", id: "web", patch: { ports: again } }]);
      await balancing.settled();
    }
    expect(said).toHaveLength(2); // it was over in between
  });
});
