/** `eleven demo` as root: the front door. */
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { fetchFrom } from "../../src/demo/http.ts";
import { have } from "./dig.ts";
import { eventually, withoutNamespaces } from "./namespaces.ts";

const run = promisify(execFile);
const left = () => execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).match(/^eleven-\S+/gm) ?? [];

/** A demo that has begun. `said` resolves when it has said so, and rejects if it ends before. */
function started(command = process.execPath, words = ["dist/main.js", "demo"]) {
  const child = spawn(command, words, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [output, errors] = ["", ""];
  child.stderr.on("data", (text) => {
    errors += text;
  });
  child.stdout.on("data", (text) => {
    output += text;
  });
  const ended = once(child, "close").then(([code]) => {
    throw new Error(`it ended with ${code}: ${output}${errors}`);
  });
  ended.catch(() => {});
  return {
    child,
    output: () => output,
    errors: () => errors,
    async said(line: string): Promise<void> {
      while (!output.includes(line)) await Promise.race([once(child.stdout, "data"), ended]);
    },
  };
}

describe.skipIf(withoutNamespaces() || !have("nft") || !have("script"))("eleven demo", () => {
  test("names, virtual IP, published port, scaling, killing, draining: nothing fails, nothing is left", async () => {
    const { stdout } = await run(process.execPath, ["dist/main.js", "demo", "--once"]);
    const shares = stdout.split("\n").filter((l) => l.includes("(x30)") && !l.includes("failed"));
    expect(shares.map((l) => [...l.matchAll(/web\.(\d) \d+/g)].map((m) => m[1]).join())).toEqual([
      "1,2,3",
      "1,2,3",
      "1,2,3,4,5",
      "1,3,4,5",
      "1,4,5",
    ]);
    for (const line of shares)
      for (const [, n] of line.matchAll(/web\.\d (\d+)/g)) expect(Number(n)).toBeGreaterThan(4);
    expect(stdout.match(/none failed/g)).toHaveLength(2);
    expect(stdout).toMatch(/dig \+short web +10\.0\.1\.2\n/);
    expect(left()).toEqual([]);
  }, 60_000);

  // In mounts of its own, where these are no programs.
  test.each([["ip", "dig", "iptables", "modprobe"]])("without %s and %s, %s and %s: all the same", async (...tools) => {
    const hidden = tools.map((tool) => `mount --bind /dev/null $(readlink -f $(command -v ${tool}))`).join("; ");
    const demo = `${process.execPath} dist/main.js demo --once`;
    const { stdout } = await run("unshare", ["-m", "sh", "-ec", `${hidden}; ! ip -V 2>/dev/null; exec ${demo}`]);
    expect(stdout.match(/none failed/g)).toHaveLength(2);
    expect(stdout).toMatch(/dig \+short web +10\.0\.1\.2\n/);
    expect(left()).toEqual([]);
  });

  test.each([
    ["--bounding-set=-sys_admin", "network namespaces take CAP_SYS_ADMIN, which this root does not have"],
    ["--bounding-set=-net_admin", "interfaces take CAP_NET_ADMIN, which this root does not have"],
  ])("a root with %s gets the demo on loopback, and the reason: %s", async (rights, reason) => {
    const words = [rights, process.execPath, "dist/main.js", "demo", "--once"];
    const { stdout } = await run("setpriv", words);
    expect(stdout).toMatch(/^dig @127\.0\.0\.1 .* web +#/m);
    expect(stdout).toContain(`(here: ${reason}`);
    expect(left()).toEqual([]);
  });

  // As a terminal does it: to the command and everything that it has started.
  test.each([
    ["A swarm", 0],
    ["A swarm", 400],
    ["# Names", 0],
    ["# Scale web", 30],
    ["# Kill", 5],
    ["# Drain", 50],
  ])("Ctrl-C after %j and %i ms ends it, and nothing is left", async (line, ms) => {
    const { child, said, errors } = started();
    await said(line);
    await setTimeout(ms);
    process.kill(-child.pid!, "SIGINT");
    expect((await once(child, "exit"))[0], errors()).toBe(0);
    expect(left()).toEqual([]);
    expect(errors()).toBe("");
  });

  test("SIGTERM ends it soon while every request runs into its time-out", async () => {
    const { child, said, output } = started();
    await said("# Names");
    const rules = "table inet deaf { chain out { type filter hook output priority 0; tcp dport 80 drop; }; }";
    execFileSync("ip", ["netns", "exec", "eleven-client", "nft", rules]);
    await said("# Thirty");
    const signalled = performance.now();
    child.kill("SIGTERM");
    expect((await once(child, "exit"))[0], output()).toBe(0);
    expect(performance.now() - signalled).toBeLessThan(10_000); // thirty requests would take a minute
    expect(left()).toEqual([]);
  });

  test("a terminal that is closed ends it, and nothing is left", async () => {
    // `script` gives it a terminal of its own, which goes when `script` is killed.
    const { child, said } = started("script", ["-qefc", `${process.execPath} dist/main.js demo`, "/dev/null"]);
    await said("Ctrl-C");
    expect(left()).not.toEqual([]);
    child.kill("SIGKILL");
    await eventually(left, (names) => names.length === 0);
  });

  test("a second one at the same time says so, and harms nothing of the first", async () => {
    const first = started();
    await first.said("A swarm");
    const second = spawnSync(process.execPath, ["dist/main.js", "demo", "--once"], { encoding: "utf8" });
    expect([second.status, second.stderr]).toEqual([
      1,
      `eleven: a demo is running on this machine (process ${first.child.pid}); there can be one at a time: end that first\n`,
    ]);
    await first.said("Ctrl-C");
    expect(first.output().match(/none failed/g)).toHaveLength(2);
    first.child.kill("SIGTERM");
    expect((await once(first.child, "exit"))[0]).toBe(0);
  });

  test("one that was killed is in nobody's way", async () => {
    const { child, said } = started();
    await said("A swarm");
    child.kill("SIGKILL");
    await once(child, "exit");
    const { stdout } = await run(process.execPath, ["dist/main.js", "demo", "--once"]);
    expect(stdout).toMatch(/none failed/);
    expect(left()).toEqual([]);
  });

  test("whoever reads it may go away: `npm start | head`", async () => {
    const { child, said } = started();
    await said("A swarm");
    child.stdout.destroy();
    expect((await once(child, "exit"))[0]).toBe(0);
    expect(left()).toEqual([]);
  });
});

test("requests that all fail at once leave time for everything else", async () => {
  let over = false;
  setImmediate(() => {
    over = true;
  });
  let failed = 0;
  while (!over && failed++ < 1_000) expect(await fetchFrom("/nowhere", "127.0.0.1", 80)).toBe("ENOENT");
  expect(failed).toBeLessThan(10);
});

test.skipIf(process.getuid?.() !== 0)("a request that nobody answers fails after two seconds", async () => {
  const server = createServer(() => {}).listen(0, "127.0.0.1"); // takes the connection, and says nothing
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const sockets: Socket[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  const began = performance.now();
  expect(await fetchFrom("/proc/self/ns/net", "127.0.0.1", (server.address() as AddressInfo).port)).toBe("timeout");
  expect(performance.now() - began).toBeLessThan(5_000);
  for (const socket of sockets) socket.destroy();
});
