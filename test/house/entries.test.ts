/** What strangers import: each thing has one door, and what only builders of backends or tests need is not at the front. */
import { expect, test } from "vitest";
import * as backends from "../../src/backends.ts";
import * as root from "../../src/index.ts";
import * as testing from "../../src/testing/index.ts";

const ENTRIES = { root, backends, testing };

test("nothing can be had by two entries", () => {
  const names = Object.values(ENTRIES).flatMap((entry) => Object.keys(entry));
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test.each([
  ["root", "createNode"],
  ["root", "RegistryError"],
  ["backends", "NftablesBackend"],
  ["backends", "diff"],
  ["backends", "normal"],
  ["backends", "Marks"],
  ["testing", "FakeBackend"],
  ["testing", "backendCases"],
  ["testing", "storeCases"],
] as const)("%s has %s", (entry, name) => {
  expect(Object.keys(ENTRIES[entry])).toContain(name);
});
