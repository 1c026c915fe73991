/** `eleven demo` as root: the front door. */
import { execFile, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { fetchFrom } from "../../src/demo/http.ts";
import { have } from "./dig.ts";
import { eventually, withoutNamespaces } from "./namespaces.ts";

const run = promisify(execFile);
const left = () => execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).match(/^eleven-\S+/gm) ?? [];

describe.skipIf(withoutNamespaces() || !have("nft") || !have("script"))("eleven demo", () => {
  test("names, virtual IP, published port, scaling, killing, draining: nothing fails, nothing is left", async () => {
    const { stdout } = await run(process.execPath, ["dist/main.js", "demo", "--once"]);
    const shares = stdout.split("\n").filter((l) => l.includes("(x30)"));
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

  // As a terminal does it: to the command and everything that it has started.
  test.each([
    ["A swarm", 0],
    ["A swarm", 400],
    ["# Names", 0],
    ["# Scale web", 30],
    ["# Kill", 5],
    ["# Drain", 50],
  ])("Ctrl-C after %j and %i ms ends it, and nothing is left", async (line, ms) => {
    const child = spawn(process.execPath, ["dist/main.js", "demo"], { detached: true });
    let [output, errors] = ["", ""];
    child.stderr.on("data", (text) => {
      errors += text;
    });
    child.stdout.on("data", (text) => {
      output += text;
    });
    while (!output.includes(line)) await once(child.stdout, "data");
    await setTimeout(ms);
    process.kill(-child.pid!, "SIGINT");
    expect((await once(child, "exit"))[0], errors).toBe(0);
    expect(left()).toEqual([]);
    expect(errors).toBe("");
  });

  test("a terminal that is closed ends it, and nothing is left", async () => {
    // `script` gives it a terminal of its own, which goes when `script` is killed.
    const words = ["-qefc", `${process.execPath} dist/main.js demo`, "/dev/null"];
    const terminal = spawn("script", words, { stdio: ["pipe", "pipe", "ignore"] });
    let output = "";
    terminal.stdout.on("data", (text) => {
      output += text;
    });
    while (!output.includes("Ctrl-C")) await once(terminal.stdout, "data");
    expect(left()).not.toEqual([]);
    terminal.kill("SIGKILL");
    await eventually(left, (names) => names.length === 0);
  });

  test("a second one at the same time says so, and harms nothing of the first", async () => {
    const first = spawn(process.execPath, ["dist/main.js", "demo"]);
    let output = "";
    first.stdout.on("data", (text) => {
      output += text;
    });
    await once(first.stdout, "data");
    const second = spawnSync(process.execPath, ["dist/main.js", "demo", "--once"], { encoding: "utf8" });
    expect([second.status, second.stderr]).toEqual([
      1,
      `eleven: a demo is running on this machine (process ${first.pid}); there can be one at a time: end that first\n`,
    ]);
    while (!output.includes("Ctrl-C")) await once(first.stdout, "data");
    expect(output.match(/none failed/g)).toHaveLength(2);
    first.kill("SIGTERM");
    expect((await once(first, "exit"))[0]).toBe(0);
  });

  test("one that was killed is in nobody's way", async () => {
    const first = spawn(process.execPath, ["dist/main.js", "demo"]);
    await once(first.stdout, "data");
    first.kill("SIGKILL");
    await once(first, "exit");
    const { stdout } = await run(process.execPath, ["dist/main.js", "demo", "--once"]);
    expect(stdout).toMatch(/none failed/);
    expect(left()).toEqual([]);
  });

  test("whoever reads it may go away: `npm start | head`", async () => {
    const child = spawn(process.execPath, ["dist/main.js", "demo"]);
    await once(child.stdout, "data");
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
