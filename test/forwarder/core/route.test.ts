import { expect, test } from "vitest";
import { createRoute } from "../../../src/forwarder/core/route.ts";
import { nameKey } from "../../../src/model/name.ts";

const at = (address: string, ...domains: string[]) => ({ address, port: 53, ...(domains.length > 0 && { domains }) });
const UPSTREAMS = [
  at("192.0.2.1"),
  at("192.0.2.2", "corp.example"),
  at("192.0.2.3", "EU.Corp.Example.", "lab"),
  at("192.0.2.4"),
  at("192.0.2.5", "corp.example"),
];
/** Made in each test: `npm run mutate` asks which test runs what. */
const routes = () => createRoute(UPSTREAMS);
const pick = (name: string) =>
  routes()(nameKey(name.toLowerCase()))
    .map((u) => u.address.slice(-1))
    .join("");

test.each([
  ["a name nobody claims", "www.example", "14"],
  ["the suffix itself", "corp.example", "25"],
  ["below it", "git.corp.example", "25"],
  ["far below it", "a.b.c.corp.example", "25"],
  ["the longest suffix wins", "x.eu.corp.example", "3"],
  ["any case", "X.EU.CORP.example", "3"],
  ["labels, not letters", "notcorp.example", "14"],
  ["the parent of a suffix", "example", "14"],
  ["a suffix of one label", "host.lab", "3"],
  ["the suffix in the middle", "corp.example.org", "14"],
  ["the root", "", "14"],
])("%s: %s", (_name, name, expected) => expect(pick(name)).toBe(expected));

test("the same route is the same array", () => {
  const route = routes();
  expect(route(nameKey("a.lab"))).toBe(route(nameKey("b.lab")));
  expect(route(nameKey("a.org"))).toBe(route(nameKey("b.org")));
});

test("only suffixes: other names have no upstream", () => {
  expect(createRoute([at("192.0.2.2", "corp.example")])(nameKey("www.example"))).toEqual([]);
});

test("the root as a suffix is everything", () => {
  expect(createRoute([at("192.0.2.1", ".")])(nameKey("www.example"))).toEqual([at("192.0.2.1", ".")]);
});
