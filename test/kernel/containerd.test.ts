/** A real containerd, whose containers get their names by the CNI plugin: Debian's, in namespaces of its own. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { have } from "../system/dig.ts";
import { Namespaces, withoutNamespaces } from "../system/namespaces.ts";

/** runc wants to put containers into control groups. */
const hasGroups = / cgroup2? /.test(readFileSync("/proc/self/mountinfo", "utf8"));
const missing =
  withoutNamespaces() || !hasGroups || !["ctr", "containerd", "runc", "busybox", "/usr/lib/cni/bridge"].every(have);

const folder = mkdtempSync(join(tmpdir(), "eleven-"));
const socket = join(folder, "eleven.sock");
/** containerd's own namespace: its shims are told apart by it on all of the machine. */
const OURS = `e11-${process.pid}`;
const IMAGE = "docker.io/library/busybox:test";

/** What runs first in the mount namespace: the places in which ctr looks for networks and plugins are not this machine's. */
const PLACES = `
  mount -t tmpfs tmpfs /etc/cni && mkdir /etc/cni/net.d
  mount -t tmpfs tmpfs /opt && mkdir -p /opt/cni/bin
  ln -s /usr/lib/cni/* /opt/cni/bin/
  ln -s ${resolve("dist/main.js")} /opt/cni/bin/eleven
  cp ${folder}/mynet.conflist /etc/cni/net.d/10-mynet.conflist
  ip link set lo up`;

/** An image with nothing in it but busybox, as \`docker save\` writes one. */
function writeImage(): string {
  const root = join(folder, "root");
  mkdirSync(join(root, "bin"), { recursive: true });
  copyFileSync("/usr/bin/busybox", join(root, "bin/busybox"));
  for (const name of ["sh", "sleep", "nslookup"]) symlinkSync("busybox", join(root, "bin", name));
  const tar = (...words: string[]) => expect(spawnSync("tar", words).status).toBe(0);
  tar("-C", root, "-cf", join(folder, "layer.tar"), ".");
  const sum = createHash("sha256")
    .update(readFileSync(join(folder, "layer.tar")))
    .digest("hex");
  const rootfs = { type: "layers", diff_ids: [`sha256:${sum}`] };
  writeFileSync(
    join(folder, "config.json"),
    JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs }),
  );
  const manifest = [{ Config: "config.json", RepoTags: [IMAGE], Layers: ["layer.tar"] }];
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  const image = join(folder, "image.tar");
  tar("-C", folder, "-cf", image, "manifest.json", "config.json", "layer.tar");
  return image;
}

describe.skipIf(missing)("containers of containerd", () => {
  const namespaces = new Namespaces();
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    await namespaces.add("host");
    mkdirSync("/etc/cni", { recursive: true });
    const bridge = {
      ...{ type: "bridge", bridge: "cni0", isGateway: true },
      ipam: { type: "host-local", dataDir: join(folder, "ipam"), ranges: [[{ subnet: "10.88.0.0/16" }]] },
    };
    const list = { cniVersion: "1.0.0", name: "mynet", plugins: [bridge, { type: "eleven", socket }] };
    writeFileSync(join(folder, "mynet.conflist"), JSON.stringify(list));
    writeFileSync(join(folder, "eleven.yaml"), `{ state_dir: ${join(folder, "state")}, upstreams: [] }`);
    await started(
      process.execPath,
      "dist/main.js",
      "agent",
      "--config",
      join(folder, "eleven.yaml"),
      "--socket",
      socket,
    );
    const places = [`--root ${folder}/root-of`, `--state ${folder}/state-of`, `--address ${folder}/containerd.sock`];
    // It stays in its mount namespace, which those who ask it enter.
    await started(
      ...inside(
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        `${PLACES}
      containerd ${places.join(" ")} --log-level error >${folder}/log 2>&1 &
      until [ -S ${folder}/containerd.sock ]; do sleep 0.1; done
      echo ready; wait`,
      ),
    );
    expect(await ctr("image", "import", "--snapshotter", "native", writeImage())).toContain("done");
  });
  afterAll(async () => {
    for (const name of ["one", "two"]) {
      await ctr("task", "rm", "--force", name);
      await ctr("container", "rm", name);
    }
    for (const child of children.reverse()) process.kill(-child.pid!, "SIGTERM");
    await Promise.all(children.map((child) => child.exitCode ?? once(child, "exit")));
    namespaces.clean();
  });

  const inside = (...words: string[]): string[] => ["nsenter", `--net=${namespaces.path("host")}`, ...words];

  /** In a group of its own; until it has said something. */
  async function started(...[program = "", ...words]: string[]): Promise<void> {
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"], detached: true });
    children.push(child);
    await once(child.stdout!, "data");
  }

  function ctr(...words: string[]): Promise<string> {
    const [, containerd] = children;
    const place = ["nsenter", `--mount=/proc/${containerd!.pid}/ns/mnt`, `--net=${namespaces.path("host")}`];
    const [program = "", ...args] = [
      ...place,
      "ctr",
      "--namespace",
      OURS,
      "--address",
      join(folder, "containerd.sock"),
      ...words,
    ];
    return new Promise((done) => {
      execFile(program, args, (_, out, errors) => done(out + errors));
    });
  }

  /** What busybox says of a name that is answered. */
  const found = (name: string) => expect.stringMatching(`Name:\\s+${OURS}-${name}\nAddress: 10\\.88\\.0\\.\\d+`);

  test("find each other by name, and one that ended is not there any more", async () => {
    const run = (...words: string[]) => ctr("run", "--snapshotter", "native", "--cni", ...words);
    expect(await run("-d", IMAGE, "one", "/bin/sleep", "1000")).toBe("");
    expect(await run("-d", IMAGE, "two", "/bin/sleep", "1000")).toBe("");
    const ask = ["task", "exec", "--exec-id", "ask", "two", "/bin/nslookup"];
    expect(await ctr(...ask, `${OURS}-one`, "127.0.0.11")).toEqual(found("one"));
    const brief = await run("--rm", IMAGE, "brief", "/bin/nslookup", `${OURS}-brief`, "127.0.0.11");
    expect(brief).toEqual(found("brief"));
    expect(await ctr(...ask, `${OURS}-brief`, "127.0.0.11")).toContain(`can't find ${OURS}-brief`);
  });
});
