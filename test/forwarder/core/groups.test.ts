/** Which servers a question goes to, and which lists of them are the same: what is the same shares flights, answers and what is known of a server. */
import { describe, expect, test } from "vitest";
import { type Group, Groups } from "../../../src/forwarder/core/groups.ts";
import { nameKey } from "../../../src/model/name.ts";
import type { Upstream } from "../../../src/model/types.ts";

/** "1 2/corp 3:5353 4@/run/netns/a": 192.0.2.x, for a suffix, on another port, behind a namespace. */
const list = (text: string): Upstream[] =>
  text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const [, last, port = "53", domain, netns] = /^(\d+)(?::(\d+))?(?:\/(\w*))?(?:@(.*))?$/.exec(word)!;
      return {
        address: `192.0.2.${last}`,
        port: Number(port),
        ...(domain !== undefined && { domains: [domain] }),
        ...(netns !== undefined && { netns }),
      };
    });

const ask = (groups: Groups, upstreams: readonly Upstream[], name = "www.example"): Group =>
  groups.of({
    packet: new Uint8Array(),
    questionEnd: 0,
    question: `${nameKey(name)}\0\x01\0\x01`,
    edns: false,
    dnssecOk: false,
    limit: 512,
    upstreams,
    from: "",
    asker: "",
  });

const textOf = ({ servers }: Group): string =>
  servers.map(({ name, netns }) => name.replace("192.0.2.", "") + (netns === undefined ? "" : `@${netns}`)).join(" ");

test.each([
  ["all, in the order they were listed", "2 1", "www.example", "2:53 1:53"],
  ["one that is listed twice, once", "1 2 1", "www.example", "1:53 2:53"],
  ["a port makes another server", "1 1:5353", "www.example", "1:53 1:5353"],
  ["so does a namespace", "1 1@/a 1@/b", "www.example", "1:53 1:53@/a 1:53@/b"],
  ["those for the name's suffix", "1 2/corp 3/corp", "git.corp", "2:53 3:53"],
  ["and not for others", "1 2/corp", "www.example", "1:53"],
  [
    "sixteen: each costs a socket when all are silent",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
    "www.example",
    "1:53 2:53 3:53 4:53 5:53 6:53 7:53 8:53 9:53 10:53 11:53 12:53 13:53 14:53 15:53 16:53",
  ],
  ["none", "", "www.example", ""],
])("asked are %s", (_name, upstreams, name, expected) => {
  expect(textOf(ask(new Groups(), list(upstreams), name))).toBe(expected);
});

describe("lists with the same servers are one group", () => {
  test.each<[string, string, string, boolean]>([
    ["the same list", "1 2", "1 2", true],
    ["another order is another preference", "1 2", "2 1", false],
    ["another server", "1 2", "1 3", false],
    ["one server less", "1 2", "1", false],
    ["another port", "1", "1:5353", false],
    ["another namespace", "1@/a", "1@/b", false],
    ["the host's is none of a container's", "1", "1@/a", false],
    ["what is said twice is said", "1 1", "1", true],
    ["a suffix is no part of it", "1/example", "1", true],
  ])("%s: %s and %s: %s", (_name, one, two, same) => {
    const groups = new Groups();
    const [a, b] = [ask(groups, list(one)), ask(groups, list(two))];
    expect([a === b, a.prefix === b.prefix]).toEqual([same, same]);
  });

  test("what is known of a server is known in each group it is in", () => {
    const groups = new Groups();
    expect(ask(groups, list("1 2")).servers[1]).toBe(ask(groups, list("3 2")).servers[1]);
    expect([...groups.servers].map((s) => s.name)).toEqual(["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"]);
  });

  test("a group's prefix is two characters, and its own", () => {
    const groups = new Groups();
    const seen = Array.from({ length: 300 }, (_, i) => ask(groups, [{ address: "192.0.2.1", port: i }]).prefix);
    expect(new Set(seen).size).toBe(300);
    expect(new Set(seen.map((prefix) => prefix.length))).toEqual(new Set([2]));
  });
});

describe("containers come and go, and so do their lists", () => {
  const one = (i: number): Upstream[] => [{ address: "192.0.2.1", port: i }];
  const fill = (groups: Groups, count: number): void => {
    for (let i = 0; i < count; i++) ask(groups, one(i));
  };

  test("with 4 096 of them the next one makes room, and all are forgotten; a list at hand keeps its group", () => {
    const groups = new Groups();
    const known = one(0);
    const first = ask(groups, known);
    fill(groups, 4_095);
    expect(ask(groups, one(0))).toBe(first);
    ask(groups, one(4_095));
    expect([...groups.servers].length).toBe(4_096);
    const again = ask(groups, one(0));
    expect([...groups.servers].length).toBe(1);
    expect([again === first, again.prefix === first.prefix, again.servers[0] === first.servers[0]]).toEqual([
      false,
      false,
      false,
    ]);
    expect(ask(groups, known)).toBe(first);
  });

  test("also where few servers make many lists, or few lists have many servers", () => {
    const few = new Groups();
    const servers = Array.from({ length: 13 }, (_, i) => ({ address: "192.0.2.1", port: i }));
    const some = (bits: number) => servers.filter((_, i) => (bits >> i) & 1);
    const first = ask(few, some(1));
    for (let bits = 2; bits <= 4_095; bits++) ask(few, some(bits));
    expect(ask(few, some(1))).toBe(first);
    ask(few, some(4_096));
    expect(ask(few, some(1))).not.toBe(first);

    const many = new Groups();
    const sixteen = (i: number) => Array.from({ length: 16 }, (_, k) => ({ address: "192.0.2.1", port: 16 * i + k }));
    for (let i = 0; i < 256; i++) ask(many, sixteen(i));
    expect([...many.servers].length).toBe(4_096);
    ask(many, sixteen(256));
    expect([...many.servers].length).toBe(16);
  });
});
