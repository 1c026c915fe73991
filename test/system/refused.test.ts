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
  [
    "networks: { a: { subnet: 10.0.0.0/16 }, b: { subnet: 10.0.5.0/24 } }\ncontainers: { c: { networks: [b] }, d: { networks: [x] }, e: { network: a } }\n",
    /^\S+bad\.yaml:1:41: networks\.b: .*overlap.*\n\S+bad\.yaml:2:\d+: containers\.d: .*no network "x"\n\S+bad\.yaml:2:\d+: containers\.e\.networks: is missing\n\S+bad\.yaml:2:\d+: containers\.e\.network: is no key/m,
  ],
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

test.each([
  [
    ["serve", "f.yaml", "--netsn", "x"],
    "Unknown option '--netsn'; did you mean --netns? eleven serve --help lists what there is\n",
  ],
  [["serv"], 'there is no command "serv"; did you mean serve? eleven --help lists them\n'],
  [["config"], "usage: eleven config check FILE, or eleven config schema\n"],
  [["serve"], "usage: eleven serve FILE\n"],
])("a command that is wrong: %j", (words, said) => {
  const { status, stderr } = spawnSync(process.execPath, ["dist/main.js", ...words], {
    timeout: 20_000,
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([2, said]);
});

test("what was built can be run as it is: npx, which has made it so once, does not look again", () => {
  expect(spawnSync("dist/main.js", ["--version"], { timeout: 20_000 }).status).toBe(0);
});
