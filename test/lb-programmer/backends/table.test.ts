/** The table of backends, and whoever goes by it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type LbBackend, LbError } from "../../../src/lb-programmer/backends/backend.ts";
import { Found } from "../../../src/lb-programmer/backends/common/found.ts";
import { BACKENDS } from "../../../src/lb-programmer/backends/table.ts";
import { chooseBackend } from "../../../src/lb-programmer/order/choose.ts";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";
import { BACKEND_NAMES } from "../../../src/model/backends.ts";

const ROOT = new URL("../../../", import.meta.url);
const options = { found: new Found() };
const names = Object.keys(BACKENDS);
const TARGET: LbTarget = { kind: "sandbox", id: "sandbox/c", sandbox: "c", netns: "/nowhere/at/all" };

test("it has every name, in the order that the config shows them in", () => {
  expect(names).toEqual(BACKEND_NAMES);
});

test.each(names)("%s makes the backend of that name", (name) => {
  expect(BACKENDS[name as keyof typeof BACKENDS].create(options).name).toBe(name);
});

test("docs/load-balancing.md lists exactly these, and the fake, in these words", () => {
  const text = readFileSync(new URL("docs/load-balancing.md", ROOT), "utf8");
  const section = text.slice(text.indexOf("\n## Backends\n")).split(/\n## /)[1] ?? "";
  const rows = [...section.matchAll(/^\| `([a-z-]+)`\s*\| (.*?)\s*\| /gm)].map(([, name, how]) => [name, how]);
  expect(rows.filter(([name]) => name !== "fake")).toEqual(
    Object.entries(BACKENDS).map(([name, { how }]) => [name, how]),
  );
});

test.each([
  ["the README", "README.md", /^\| `balance\.backend` [^;]*/m],
  ["the schema", "examples/eleven.schema.json", /"auto",(\s*"[a-z-]+",?)+/],
])("%s offers exactly these, auto and none", (_, file, where) => {
  const [text = ""] = where.exec(readFileSync(new URL(file, ROOT), "utf8")) ?? [];
  const offered = [...text.matchAll(/["`]([a-z-]+)["`]/g)].map(([, name]) => name);
  expect(offered.sort()).toEqual(["auto", ...names, "none"].sort());
});

test.each(names)("%s is chosen by its name, unprobed", async (name) => {
  const choice = await chooseBackend(name as keyof typeof BACKENDS, TARGET, options);
  expect([choice.backend.name, choice.why]).toEqual([name, undefined]);
});

test("one of one's own is taken as it is", async () => {
  const own = { name: "own" } as LbBackend;
  expect((await chooseBackend(own, TARGET, options)).backend).toBe(own);
});

test.each(["bogus", "constructor", ""])("%j is no backend's name", async (name) => {
  await expect(chooseBackend(name as "ipvs", TARGET, options)).rejects.toThrow(
    `there is no backend "${name}": auto, ${names.join(", ")}, or one of your own`,
  );
});

test("auto looks elsewhere where the namespace is gone", async () => {
  await expect(chooseBackend("auto", TARGET, options)).rejects.toThrow(LbError);
  await expect(chooseBackend("auto", TARGET, options)).rejects.toMatchObject({ code: "gone" });
});
