/** `eleven demo` as root: the front door. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
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

  test("Ctrl-C ends it at any time, and nothing is left", async () => {
    const child: ChildProcess = spawn(process.execPath, ["dist/main.js", "demo"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout!, "data");
    await once(child.stdout!, "data");
    expect(left()).not.toEqual([]);
    child.kill("SIGINT");
    expect((await once(child, "exit"))[0]).toBe(0);
    expect(left()).toEqual([]);
  }, 60_000);
});
