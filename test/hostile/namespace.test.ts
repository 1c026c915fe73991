/** A container's namespace: the path that leads to it, the folder around that, and the rules in it, all in somebody else's hands. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { bringLoopbackUp } from "../../src/os/link.ts";
import { inNetns } from "../../src/os/netns.ts";
import { bindUdp, closeFd, listenTcp } from "../../src/os/socket.ts";
import { keepRedirect } from "../../src/sandbox/keep-redirect.ts";
import { have, type Served, serve } from "../system/dig.ts";
import { eventually, withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";

const { installRedirect } = vi.hoisted(() => ({ installRedirect: vi.fn() }));
vi.mock("../../src/sandbox/redirect.ts", async (original) => {
  const real = await original<typeof import("../../src/sandbox/redirect.ts")>();
  installRedirect.mockImplementation(real.installRedirect); // to be counted
  return { ...real, installRedirect };
});

/** What a path may lead to, made by the container's root. */
const PATHS: readonly (readonly [what: string, script: string])[] = [
  ["a FIFO, to be waited for", "mkfifo $1"],
  ["a link to a FIFO", "mkfifo $1.fifo; ln -s $1.fifo $1"],
  ["a device that has no driver", "mknod $1 c 240 77"],
  ["a device that never ends", "mknod $1 c 1 5"],
  [
    "a socket",
    `${process.execPath} -e 'require("net").createServer().listen("'$1'", () => process.exit())'; test -S $1`,
  ],
  ["a directory", "mkdir $1"],
  ["a file", "echo hello > $1"],
  ["a namespace of another kind", "ln -s /proc/self/ns/uts $1"],
  ["a link to itself", "ln -s $1 $1"],
];

describe.skipIf(withoutNamespaces())("a path to a namespace", () => {
  const containers = new Containers();
  const folder = mkdtempSync(join(tmpdir(), "eleven-ns-"));
  const at = (i: number | string) => join(folder, `ns${i}`);
  let served: Served;
  const ask = () => containers.exec("good", "dig", "@127.0.0.11", "+time=1", "+tries=1", "+short", "c");

  beforeAll(async () => {
    await containers.add("good", "bad");
    for (const [i, [, script]] of PATHS.entries()) containers.attack("bad", `set -- ${at(i)}; ${script}`);
    served = await serve(`
upstreams: []
networks: { n: { subnet: 10.77.4.0/24 } }
containers: { c: { networks: { n: { ip: 10.77.4.7 } } } }
sandboxes:
${[...PATHS.keys(), "flaps"].map((i) => `  s${i}: { container: c, netns: ${at(i)} }`).join("\n")}
  good: { container: c, netns: ${containers.name("good")} }
`);
  });
  afterAll(async () => {
    await served?.stop();
    containers.clean();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(PATHS.map(([what], i) => [what, i] as const))(
    "that leads to %s: it is said, nothing waits, and others are answered",
    async (_, i) => {
      expect(served.errors()).toMatch(
        new RegExp(`sandbox s${i} is not attached: (open namespace|setns) ${at(i)}: (EINVAL|ELOOP)`),
      );
      expect(await ask()).toBe("10.77.4.7");
    },
  );

  test("that leads to a namespace and to a FIFO by turns, in a folder that changes all the time: others are answered", async () => {
    const script = `const { renameSync, symlinkSync, writeFileSync, unlinkSync } = require("fs");
      symlinkSync("${containers.path("bad")}", "${folder}/link");
      console.log("go");
      const quietly = (work) => { try { work(); } catch {} };
      const move = (a, b) => quietly(() => renameSync("${folder}/" + a, "${folder}/" + b));
      for (let i = 0; ; i++) {
        writeFileSync("${folder}/x" + i % 50, "");
        unlinkSync("${folder}/x" + i % 50);
        if (i % 100 === 0) move("link", "nsflaps");
        if (i % 100 === 50) { move("nsflaps", "link"); move("ns0", "nsflaps"); move("nsflaps", "ns0"); }
      }`;
    await containers.attacking("bad", `exec ${process.execPath} -e '${script}'`);
    await eventually(
      served.errors,
      (text) => /sandbox sflaps is not attached: its namespace \S+ is gone/.test(text),
      30_000,
    );
    const before = processorTime(served.pid);
    const said = served.errors().length;
    const from = performance.now();
    for (let i = 0; i < 20; i++) expect(await ask()).toBe("10.77.4.7");
    const seconds = (performance.now() - from) / 1000;
    const busy = (processorTime(served.pid) - before) / seconds;
    const lines = served.errors().slice(said).split("\n").length / seconds;
    console.log(`busy ${busy.toFixed(3)}, ${lines.toFixed(1)} lines/s, in ${seconds.toFixed(1)} s`);
    expect(busy).toBeLessThan(0.25);
    expect(lines).toBeLessThan(5);
  });
});

/** Seconds that a process has spent on processors. proc_pid_stat(5): utime and stime, in hundredths. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

describe.skipIf(withoutNamespaces() || !have("nft"))("a redirect", () => {
  let containers: Containers;
  beforeEach(async () => {
    containers = new Containers();
    await containers.add("a");
    installRedirect.mockClear();
  });
  afterEach(() => containers.clean());

  async function kept(pace: { often: number; longest: number }) {
    const at = { netns: containers.path("a"), address: "127.0.0.11", port: 53 };
    const sockets = inNetns(at.netns, () => {
      bringLoopbackUp();
      return { udp: bindUdp("127.0.0.11", 0).fd, tcp: listenTcp("127.0.0.11", 0).fd };
    });
    const notices: string[] = [];
    const redirect = await keepRedirect(at, sockets, (notice) => notices.push(notice), pace);
    onTestFinished(async () => {
      await redirect.remove();
      for (const fd of Object.values(sockets)) closeFd(fd);
    });
    return notices;
  }

  test("that is flushed in a loop: put right ever more slowly, said once", async () => {
    const notices = await kept({ often: 20, longest: 2_000 });
    const installed = () => installRedirect.mock.calls.length;
    const before = installed();
    await containers.attacking("a", "echo go; while :; do nft flush ruleset; done");
    const from = performance.now();
    await eventually(installed, (times) => times >= before + 6, 30_000);
    // With 20, 40, … 320 ms between them.
    expect(performance.now() - from).toBeGreaterThan(600);
    expect(notices).toEqual([expect.stringMatching(/somebody changed the redirect of port 53; put right/)]);
  });

  test("with a listing that is larger than anything of ours: it is made anew, and nothing of that is read", async () => {
    const notices = await kept({ often: 20, longest: 2_000 });
    const elements = "$(seq -s, 1 60000)";
    const table = "ip eleven_dns_127_0_0_11_53";
    containers.attack(
      "a",
      `echo "add set ${table} big { type mark; }; add element ${table} big { ${elements} }" | nft -f -`,
    );
    await eventually(
      () => containers.exec("a", "nft", "list", "sets"),
      (sets) => !sets.includes("big"),
    );
    await eventually(
      () => notices.length,
      (count) => count > 0,
    );
    expect(await containers.exec("a", "nft", "list", "ruleset")).toMatch(/dnat to 127\.0\.0\.11/);
  });
});
