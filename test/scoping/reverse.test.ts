/** Reverse names (RFC 1035 section 3.5, RFC 3596 section 2.5): what each stands for, and where the zone of a subnet begins in it. */
import { describe, expect, test } from "vitest";
import { parseCidr } from "../../src/model/address.ts";
import { keyName, nameKey } from "../../src/model/name.ts";
import { readReverse, subnetOf, subnetText } from "../../src/scoping/reverse.ts";

test.each<[string, string | undefined]>([
  ["in-addr.arpa", "prefix"],
  ["ip6.arpa", "prefix"],
  ["arpa", undefined],
  ["home.arpa", undefined],
  ["in-addr.arp", undefined],
  ["xin-addr.arpa", undefined],
  ["10.in-addr.arpa", "prefix"],
  ["3.2.1.10.in-addr.arpa", "address"],
  ["4.3.2.1.10.in-addr.arpa", "other"],
  ["x.1.10.in-addr.arpa", "other"],
  ["1.x.10.in-addr.arpa", "other"],
  ["255.255.255.255.in-addr.arpa", "address"],
  ["256.0.0.10.in-addr.arpa", "other"],
  ["0.0.0.0.in-addr.arpa", "address"],
  ["00.0.0.10.in-addr.arpa", "other"],
  ["01.0.0.10.in-addr.arpa", "other"],
  ["100.0.0.10.in-addr.arpa", "address"],
  ["1000.0.0.10.in-addr.arpa", "other"],
  ["1a.0.0.10.in-addr.arpa", "other"],
  ["a.0.0.10.in-addr.arpa", "other"],
  ["1x.0.0.10.in-addr.arpa", "other"],
  ["f.ip6.arpa", "prefix"],
  ["a.ip6.arpa", "prefix"],
  ["g.ip6.arpa", "other"],
  ["`.ip6.arpa", "other"],
  ["/.ip6.arpa", "other"],
  [":.ip6.arpa", "other"],
  ["10.ip6.arpa", "other"],
  [`${"9.".repeat(31)}0.ip6.arpa`, "address"],
  [`${"9.".repeat(30)}0.ip6.arpa`, "prefix"],
  [`${"9.".repeat(32)}0.ip6.arpa`, "other"],
])("%s: %s", (name, expected) => expect(readReverse(nameKey(name))).toBe(expected));

test("in mid-label there is no zone", () => {
  expect(readReverse("\x0axx\x07in-addr\x04arpa")).toBeUndefined();
});

describe("the zone of the first subnet that holds it", () => {
  const texts = (subnets: string) =>
    subnets.split(" ").map((cidr) => {
      const { bits, base } = parseCidr(cidr)!;
      return subnetText(bits, base);
    });
  test.each<[string, string, string | undefined]>([
    ["10.0.1.0/24", "9.1.0.10.in-addr.arpa", "1.0.10.in-addr.arpa"],
    ["10.0.1.0/24", "1.0.10.in-addr.arpa", "1.0.10.in-addr.arpa"],
    ["10.0.1.0/24", "0.10.in-addr.arpa", undefined],
    ["10.0.1.0/24", "9.2.0.10.in-addr.arpa", undefined],
    ["10.0.0.0/24", "0.10.in-addr.arpa", undefined],
    ["10.0.1.0/24", "9.1.0.11.in-addr.arpa", undefined],
    ["10.0.1.0/25", "9.1.0.10.in-addr.arpa", "1.0.10.in-addr.arpa"],
    ["10.0.1.0/25", "128.1.0.10.in-addr.arpa", undefined],
    ["10.0.1.9/32", "9.1.0.10.in-addr.arpa", "1.0.10.in-addr.arpa"],
    ["10.16.0.0/12", "9.9.31.10.in-addr.arpa", "31.10.in-addr.arpa"],
    ["10.16.0.0/12", "9.9.32.10.in-addr.arpa", undefined],
    ["10.0.0.0/8", "9.9.9.10.in-addr.arpa", "10.in-addr.arpa"],
    ["10.0.0.0/8", "x.9.10.in-addr.arpa", "10.in-addr.arpa"],
    ["0.0.0.0/0", "9.in-addr.arpa", "in-addr.arpa"],
    ["10.0.1.0/24 10.0.0.0/8", "9.2.0.10.in-addr.arpa", "10.in-addr.arpa"],
    ["fd00::/8", "0.d.f.ip6.arpa", "d.f.ip6.arpa"],
    ["fd00::/8", "0.d.e.ip6.arpa", undefined],
    ["fc00::/7", "0.c.f.ip6.arpa", "c.f.ip6.arpa"],
    ["fc00::/7", "0.e.f.ip6.arpa", undefined],
    ["fd00::/8 10.0.1.0/24", "9.1.0.10.in-addr.arpa", "1.0.10.in-addr.arpa"],
    ["a00::/8", "1.0.0.10.in-addr.arpa", undefined], // the same octets, in another family
    ["10.0.0.0/8", "1.a.0.ip6.arpa", undefined],
  ])("%s, %s: %s", (subnets, name, expected) => {
    const key = nameKey(name);
    readReverse(key);
    const at = subnetOf(key, texts(subnets));
    expect(at < 0 ? undefined : keyName(key.slice(at))).toBe(expected);
  });
});
