/** What is looked at without entering a namespace, or without looking at all: mounts, and settings by descriptors that stay open. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { HeldSysctls } from "../../src/lb-programmer/backends/common/held-sysctls.ts";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { NamespaceWatch } from "../../src/sandbox/watch.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const SECOND = { timeout: 1_300, interval: 10 };

describe.skipIf(!privileged())("a path that is watched", () => {
  test.each<[string, (path: string, other: string) => string]>([
    ["another namespace is mounted on it", (path, other) => `mount --bind ${other} ${path}`],
    ["it is unmounted, and its file stays", (path) => `umount ${path}`],
  ])("%s, of which its folder tells nothing: told within a second", async (_, command) => {
    const [here, other] = [await freshNamespace("watch"), await freshNamespace("watch")];
    onTestFinished(() => other.remove());
    onTestFinished(() => void exec("sh", ["-c", `umount ${here.path}; umount ${here.path}; rm ${here.path}`]));
    const told: string[] = [];
    const watch = new NamespaceWatch((path) => told.push(path));
    onTestFinished(() => watch.close());
    watch.add(here.path);
    await exec("sh", ["-c", command(here.path, other.path)]);
    await vi.waitFor(() => expect(told).toEqual([here.path]), SECOND);
  });

  test("of a process that ends: told within a second", async () => {
    const child = spawn("unshare", ["--net", "sh", "-c", "echo; read line"], { stdio: ["pipe", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const path = `/proc/${child.pid}/ns/net`;
    const told: string[] = [];
    const watch = new NamespaceWatch((path) => told.push(path));
    onTestFinished(() => watch.close());
    watch.add(path);
    child.stdin.end("\n");
    await vi.waitFor(() => expect(told).toEqual([path]), SECOND);
  });
});

describe.skipIf(!privileged())("settings that are held", () => {
  const UDP = "net/netfilter/nf_conntrack_udp_timeout";
  const STREAM = "net/netfilter/nf_conntrack_udp_timeout_stream";
  const NONE = "net/netfilter/there_is_no_such_thing";
  let here: Namespace;
  let target: LbTarget;
  beforeEach(async () => {
    here = await freshNamespace("sysctls");
    target = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1", netns: here.path };
    await set(UDP, 77);
  });
  afterEach(() => here.remove());

  const set = (key: string, value: number) => here.run("sh", "-c", `echo ${value} > /proc/sys/${key}`);
  const open = () => readdirSync("/proc/self/fd").length;

  test("are what they are there, each time they are read; what is missing is left out", async () => {
    const held = new HeldSysctls(target, [NONE, UDP]);
    onTestFinished(() => held.close());
    expect(held.read()).toEqual({ [UDP]: "77" });
    await set(UDP, 78);
    expect(held.read()).toEqual({ [UDP]: "78" });
  });

  test("take a descriptor each, and none in the end; nobody asks for the namespace's path again", async () => {
    const before = open();
    const held = new HeldSysctls(target, [UDP, STREAM]);
    held.read();
    expect(open() - before).toBe(2);
    const inside = spawn("ip", ["netns", "exec", here.name, "sh", "-c", "echo; read line"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(inside.stdout, "data");
    onTestFinished(() => void inside.stdin.end("\n"));
    await exec("umount", [here.path]);
    await exec("rm", [here.path]);
    expect(Object.keys(held.read())).toEqual([UDP, STREAM]);
    held.close();
    expect(open()).toBe(before + 2); // to the process inside
  });

  test("keep no namespace alive; when it is gone, they can't be read, and nothing is held", async () => {
    const inode = statSync(here.path).ino;
    const before = open();
    const held = new HeldSysctls(target, [UDP, STREAM]);
    held.read();
    await here.remove();
    const alive = async () => (await exec("lsns", ["-nt", "net", "-o", "NS"])).stdout.split(/\s+/);
    await vi.waitFor(async () => expect(await alive()).not.toContain(`${inode}`), { timeout: 5_000, interval: 50 });
    await vi.waitFor(() => expect(() => held.read()).toThrow("is gone"), { timeout: 5_000, interval: 50 });
    expect(open()).toBe(before);
  });

  test("with as many held as may be: those of others are read all the same", () => {
    const before = open();
    const held = new HeldSysctls(target, [UDP, STREAM], 1);
    onTestFinished(() => held.close());
    for (let i = 0; i < 3; i++) expect(Object.keys(held.read()).sort()).toEqual([UDP, STREAM]);
    expect(open() - before).toBe(1);
  });
});
