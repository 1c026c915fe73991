/** `eleven demo` as root: the front door. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { have } from "./dig.ts";
import { withoutNamespaces } from "./namespaces.ts";

const run = promisify(execFile);
const left = () => execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).match(/^eleven-\S+/gm) ?? [];

describe.skipIf(withoutNamespaces() || !have("nft"))("eleven demo", () => {
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

  test("whoever reads it may go away: `npm start | head`", async () => {
    const child = spawn(process.execPath, ["dist/main.js", "demo"]);
    await once(child.stdout, "data");
    child.stdout.destroy();
    expect((await once(child, "exit"))[0]).toBe(0);
    expect(left()).toEqual([]);
  });
});
