/** Tools that run in a container's namespace: what they may do, and what they may not. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CAP_NET_ADMIN } from "../../src/os/caps.ts";
import { exec } from "../../src/os/exec.ts";
import { hurry } from "../../src/os/held-up.ts";
import { withoutNamespaces } from "../system/namespaces.ts";
import { Canary, Containers } from "./container.ts";

describe.skipIf(withoutNamespaces())("a tool in a container's namespace", () => {
  const containers = new Containers();
  const canary = new Canary();
  beforeAll(() => containers.add("a"));
  afterAll(() => {
    containers.clean();
    canary.remove();
  });
  const inside = (script: string) =>
    exec("sh", ["-c", script], { netns: containers.path("a"), capabilities: [CAP_NET_ADMIN] });

  test("has CAP_NET_ADMIN and nothing else, whoever it executes", async () => {
    const { stdout } = await inside("grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status");
    expect([...new Set(stdout.match(/[0-9a-f]{16}/g))]).toEqual(["0000000000001000"]);
    expect(await inside("ip link set lo up && cat /sys/class/net/lo/flags")).toMatchObject({ status: 0 });
  });

  test("has none of our environment", async () => {
    expect((await inside("env")).stdout.match(/^\w+(?==)/gm)?.sort()).toEqual(["PATH", "PWD"]);
  });

  test("is ended when it prints too much, or takes too long", async () => {
    const options = { netns: containers.path("a"), capabilities: [CAP_NET_ADMIN] };
    const much = await exec("sh", ["-c", "yes"], { ...options, most: 100_000 });
    expect([much.status, much.stdout.length <= 100_000]).toEqual([-1, true]);
    expect((await exec("sleep", ["60"], { ...options, timeout: 50 })).status).toBe(-1);
  });

  test("is waited for no longer once it was ended, whatever still holds it or what it started", async () => {
    const began = performance.now();
    const script = "setsid sleep 20 & sleep 60"; // who leaves the group keeps the pipes, as a tool does that waits in the kernel
    expect(await exec("sh", ["-c", script], { netns: containers.path("a"), timeout: 200 })).toMatchObject({
      status: -1,
    });
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test("has little time while we end, where another one took too long; elsewhere it has its own", async () => {
    await containers.add("b");
    const sleep = (short: string, seconds: number, timeout: number) =>
      exec("sleep", [`${seconds}`], { netns: containers.path(short), timeout });
    await sleep("a", 60, 50);
    const hurried = hurry();
    const began = performance.now();
    const [a, b] = await Promise.all([sleep("a", 60, 30_000), sleep("b", 2, 30_000)]);
    hurried();
    expect([a.status, b.status]).toEqual([-1, 0]);
    expect(performance.now() - began).toBeLessThan(15_000);
    expect((await sleep("a", 2, 30_000)).status).toBe(0);
  });

  test("leaves this process as it was: what it starts afterwards has everything that it had before", async () => {
    const caps = async () => (await exec("grep", ["CapEff", "/proc/self/status"])).stdout;
    const before = await caps();
    await inside("true");
    expect(await caps()).toBe(before);
  });
});
