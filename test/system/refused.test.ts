/** A file that is wrong: its place and the reason, exit 2, and nothing was started. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "eleven-"));

test.each([
  ["networks: { a: { subnt: 10.0.0.0/24 } }", /bad\.yaml:1:18: networks\.a\.subnt: is no key/],
  ["networks: { a: { subnet: 10.0.0.0/16 }, b: { subnet: 10.0.5.0/24 } }", /bad\.yaml:1:41: networks\.b: .*overlap/],
])("serve and check refuse %j", (text, expected) => {
  const file = join(folder, "bad.yaml");
  writeFileSync(file, text);
  for (const words of [
    ["serve", file],
    ["config", "check", file],
  ]) {
    const { status, stderr, stdout } = spawnSync(process.execPath, ["dist/main.js", ...words], { timeout: 20_000 });
    expect([status, String(stdout), String(stderr)]).toEqual([2, "", expect.stringMatching(expected)]);
  }
});
