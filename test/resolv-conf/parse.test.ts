import { describe, expect, test } from "vitest";
import { hasNdots, parseResolvConf, resolvConfUpstreams } from "../../src/resolv-conf/parse.ts";

describe("parsing", () => {
  test.each([
    ["empty", "", {}],
    [
      "servers, in order, more than three",
      "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4",
      { nameservers: ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] },
    ],
    ["IPv6, canonical", "nameserver FD00:0::1", { nameservers: ["fd00::1"] }],
    ["link-local keeps its scope", "nameserver fe80::1%eth0", { nameservers: ["fe80::1%eth0"] }],
    ["from fe80 to febf", "nameserver febf::1%eth0", { nameservers: ["febf::1%eth0"] }],
    ["any other loses it", "nameserver fd00::1%eth0", { nameservers: ["fd00::1"] }],
    ["fe80 elsewhere is none", "nameserver fd00::fe80:1%eth0", { nameservers: ["fd00::fe80:1"] }],
    ["an empty scope", "nameserver fe80::1%", { invalid: ["fe80::1%"] }],
    ["what is behind a second % is nothing", "nameserver fe80::1%a%b", { nameservers: ["fe80::1%a"] }],
    [
      "no addresses",
      "nameserver ns.example\nnameserver 192.0.2.256\nnameserver 192.0.2.1%eth0\nnameserver ns%eth0",
      { invalid: ["ns.example", "192.0.2.256", "192.0.2.1%eth0", "ns%eth0"] },
    ],
    [
      "comments, spaces, tabs, CR",
      "# nameserver 192.0.2.1\n#x\n; x\n;x\n\n  nameserver \t 192.0.2.2  # why\r\n",
      { nameservers: ["192.0.2.2"] },
    ],
    ["the last search wins", "search a b\nsearch c d", { search: ["c", "d"] }],
    ["domain is search", "search a b\ndomain c", { search: ["c"] }],
    ["a dot clears", "search a b\nsearch .", { search: [] }],
    ["a dot among others does not", "search . a", { search: [".", "a"] }],
    ["a keyword alone changes nothing", "search a\nsearch\nnameserver\noptions", { search: ["a"] }],
    ["options add up", "options ndots:2 rotate\noptions edns0", { options: ["ndots:2", "rotate", "edns0"] }],
    [
      "unknown keywords",
      "sortlist 192.0.2.0\n lookup file bind",
      { other: ["sortlist 192.0.2.0", "lookup file bind"] },
    ],
  ])("%s", (_name, text, expected) => {
    expect(parseResolvConf(text)).toEqual({
      nameservers: [],
      search: [],
      options: [],
      invalid: [],
      other: [],
      ...expected,
    });
  });

  test("an over-long line", () => {
    expect(() => parseResolvConf(`search ${"a".repeat(65530)}`)).toThrow("line too long (exceeds 65536)");
    expect(parseResolvConf(`search ${"a".repeat(65529)}`).search).toEqual(["a".repeat(65529)]);
  });
});

test.each([
  ["options ndots:2", true],
  ["options rotate ndots", true],
  ["options ndots:", true],
  ["options ndotsx:2 xndots:2", false],
  ["", false],
])("%j says something of ndots: %s", (text, expected) => expect(hasNdots(parseResolvConf(text))).toBe(expected));

test("upstreams: each once, none of our own, not the embedded resolver", () => {
  const conf = parseResolvConf(
    "nameserver 127.0.0.11\nnameserver 192.0.2.1\nnameserver 192.0.2.9\nnameserver 192.0.2.1",
  );
  const filter = { isOwn: (a: string) => a === "192.0.2.9" };
  expect(resolvConfUpstreams(conf, filter)).toEqual([{ address: "192.0.2.1", port: 53 }]);
  expect(resolvConfUpstreams(conf).map((u) => u.address)).toEqual(["192.0.2.1", "192.0.2.9"]);
  expect(resolvConfUpstreams(conf, { ...filter, allowEmbedded: true }).map((u) => u.address)).toEqual([
    "127.0.0.11",
    "192.0.2.1",
  ]);
});
