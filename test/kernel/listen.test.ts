/** What is heard of real namespaces, by sockets that are in none of them. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { createReconciler } from "../../src/lb-programmer/reconcile/reconciler.ts";
import type { LbState, LbTarget } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { listen, type News } from "../../src/os/netlink/listen.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

/** Milliseconds. What listens is woken ten times a second, what looks twice. */
const SOON = 450;
const SECOND = { timeout: 1_000, interval: 10 };

describe.skipIf(!privileged())("listening", () => {
  let here: Namespace;
  beforeEach(async () => {
    here = await freshNamespace("listen");
  });
  afterEach(() => here.remove());

  /** What was told of the namespace at `path`, since it was last asked. */
  function ear(path: string | undefined): () => string[] {
    const said: News[] = [];
    onTestFinished(listen(path, (news) => void said.push(news)));
    return () => [...new Set(said.splice(0).map(({ kind }) => kind))];
  }

  const CHANGES: readonly (readonly [string, string, string])[] = [
    ["a table", "nft add table inet other", "rules"],
    ["a table made dormant", "nft add table inet t; nft add table inet t '{ flags dormant; }'", "rules"],
    ["an IPv4 address", "ip address add 10.9.9.9/32 dev lo", "addresses"],
    ["an IPv6 address", "ip address add fd00::9/128 dev lo", "addresses"],
    ["IPv6 addresses that go with a link", "ip link set lo down", "addresses"],
  ];
  test.each(CHANGES)("%s", async (_, command, kind) => {
    const told = ear(here.path);
    await here.run("sh", "-c", command);
    await vi.waitFor(() => expect(told()).toContain(kind), { timeout: SOON, interval: 5 });
  });

  test("what happens elsewhere is not told", async () => {
    const other = await freshNamespace("listen");
    onTestFinished(() => other.remove());
    const [told, toldOther] = [ear(here.path), ear(other.path)];
    for (const [, command] of CHANGES) await other.run("sh", "-c", command);
    await vi.waitFor(() => expect(toldOther().toSorted()).toEqual(["addresses", "rules"]), SECOND);
    expect(told()).toEqual([]);
  });

  test("a namespace that has a number already, at two paths", async () => {
    await exec("ip", ["netns", "set", here.name, "auto"]);
    const again = `/run/netns/${here.name}-again`;
    await exec("sh", ["-c", `touch ${again} && mount --bind ${here.path} ${again}`]);
    onTestFinished(() => void exec("sh", ["-c", `umount ${again}; rm ${again}`]));
    const ears = [ear(here.path), ear(again)];
    await here.run("nft", "add", "table", "inet", "other");
    await vi.waitFor(() => expect(ears.map((told) => told().length)).toEqual([1, 1]), SECOND);
  });

  test("this namespace, by whatever path", async () => {
    const ears = [ear(undefined), ear("/proc/self/ns/net"), ear("/proc/thread-self/ns/net")];
    const name = `e11-${process.pid}`;
    await exec("ip", ["link", "add", name, "type", "bridge"]);
    onTestFinished(() => void exec("ip", ["link", "del", name]));
    await exec("ip", ["address", "add", "127.99.9.9/32", "dev", name]);
    const heard = ears.map(() => false);
    await vi.waitFor(() => {
      for (const [i, told] of ears.entries()) heard[i] ||= told().includes("addresses");
      expect(heard).toEqual([true, true, true]);
    }, SECOND);
  });

  test("nothing keeps the namespace alive, and its end is told; what comes to be at its path is heard", async () => {
    const told = ear(here.path);
    const child = spawn("unshare", ["--net", "sh", "-c", "echo; read line"], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const path = `/proc/${child.pid}/ns/net`;
    const inode = statSync(path).ino;
    const toldOfChild = ear(path);
    child.stdin.end("\n");
    await once(child, "exit");
    await vi.waitFor(() => expect(toldOfChild()).toEqual(["unsure"]), SECOND);
    expect((await exec("lsns", ["-nt", "net", "-o", "NS"])).stdout.split(/\s+/)).not.toContain(`${inode}`);

    await exec("ip", ["netns", "del", here.name]);
    await vi.waitFor(() => expect(told()).toEqual(["unsure"]), SECOND);
    await exec("ip", ["netns", "add", here.name]);
    const change = async () => {
      await here.run("sh", "-c", "nft add table inet t; nft delete table inet t");
      expect(told()).toContain("rules");
    };
    await vi.waitFor(change, { timeout: 5_000, interval: 100 });
  });

  test("more than the sockets hold: it is told to look, and hears again afterwards", async () => {
    const told = ear(here.path);
    const lines = "for i in $(seq 2000); do echo 'add table inet t'; echo 'delete table inet t'; done";
    // Meanwhile this thread reads nothing.
    execFileSync("ip", ["netns", "exec", here.name, "sh", "-c", `(${lines}) | nft -i`], { stdio: "ignore" });
    const all = new Set<string>();
    await vi.waitFor(() => {
      for (const kind of told()) all.add(kind);
      expect([...all].toSorted()).toEqual(["rules", "unsure"]);
    }, SECOND);
    await vi.waitFor(() => expect(told()).toEqual([]), SECOND);
    await here.run("nft", "add", "table", "inet", "other");
    await vi.waitFor(() => expect(told()).toEqual(["rules"]), SECOND);
  });

  test("no descriptor for each, and none when nobody listens", async () => {
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    const stop = Array.from({ length: 50 }, () => listen(here.path, () => {}));
    expect(open() - before).toBeLessThanOrEqual(3);
    for (const one of stop) one();
    await vi.waitFor(() => expect(open()).toBeLessThanOrEqual(before), SECOND);
  });
});

describe.skipIf(!privileged())("what is kept by the reconciler", () => {
  const STATE = parseState(`
    server web/mynet/4 10.0.1.4 mark 256 local rr
      10.0.1.5 1
    server web/mynet/6 fd00:1::4 mark 257 local rr
      fd00:1::5 1
    address 10.0.1.4 dev0
    address fd00:1::4 dev0
    sysctl net/netfilter/nf_conntrack_udp_timeout 77
  `);
  const REPAIRS: readonly (readonly [string, string, number])[] = [
    ["all rules are flushed", "nft flush ruleset", 1_000],
    ["an IPv4 address is removed", "ip address del 10.0.1.4/32 dev dev0", 1_000],
    ["an IPv6 address is removed", "ip address del fd00:1::4/128 dev dev0", 1_000],
    ["the link goes down and up", "ip link set dev0 down; ip link set dev0 up", 1_000],
    ["a setting is changed", "echo 11 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout", 5_000],
  ];

  test.each(REPAIRS)("%s: put right in time", async (_, command, limit) => {
    const here = await freshNamespace("listen");
    onTestFinished(() => here.remove());
    await here.run("ip", "link", "add", "dev0", "up", "type", "bridge");
    const backend = new NftablesBackend();
    const id = "network/mynet";
    const target: LbTarget = { kind: "network", id, network: "mynet", device: "dev0", netns: here.path };
    const reconciler = createReconciler({ backend, plan: (): LbState => STATE });
    onTestFinished(async () => {
      await reconciler.close();
      backend.close();
    });
    reconciler.add(target);
    reconciler.request([id], 1);
    await reconciler.installed(1);
    const keys = Object.keys(STATE.sysctls);
    const away = async () => diff(await new NftablesBackend().read(target, keys), STATE).length;
    expect(await away()).toBe(0);
    const repaired = new Promise<number>((resolve) =>
      reconciler.on("repaired", () => resolve(performance.now() - from)),
    );
    await here.run("sh", "-c", command);
    const from = performance.now();
    const took = await repaired;
    console.log(`${command.split(";")[0]}: ${Math.round(took)} ms`);
    expect(await away()).toBe(0);
    expect(took).toBeLessThan(limit);
  });
});
