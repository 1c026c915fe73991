import { isIP, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addressBytes,
  addressText,
  canonicalAddress,
  cidrsOverlap,
  familyOf,
  inCidr,
  parseCidr,
  placeText,
  reverseKey,
} from "../../src/model/address.ts";
import { keyName } from "../../src/model/name.ts";

describe("canonical text", () => {
  test.each<[string, string | undefined]>([
    ["10.0.1.2", "10.0.1.2"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["10.0.1", undefined],
    ["10.0.1.2.3", undefined],
    ["10.0.1.256", undefined],
    ["10.0.1.02", undefined], // octal to some readers
    ["10.0.1.", undefined],
    ["10.0.1.-1", undefined],
    [" 10.0.1.2", undefined],
    ["", undefined],
    ["::", "::"],
    ["::1", "::1"],
    ["FD00::0:2", "fd00::2"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"], // the first of equal runs
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"], // one zero group stays
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
    ["::ffff:102:304", "::ffff:1.2.3.4"], // RFC 5952 5
    ["::1.2.3.4", "::102:304"],
    ["1:2:3:4:5:6:7", undefined],
    ["1:2:3:4:5:6:7:8:9", undefined],
    ["1:2:3:4::5:6:7:8", undefined], // "::" stands for one group at least
    ["1::2::3", undefined],
    [":::", undefined],
    [":1::", undefined],
    ["1:", undefined],
    ["12345::", undefined],
    ["g::", undefined],
    ["1.2.3.4::", undefined],
    ["::1.2.3.4:5", undefined],
    ["fe80::1%eth0", undefined],
    ["[::1]", undefined],
  ])("%s", (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });

  test("octets survive text and back, and node reads the text the same", () => {
    const octets = (n: number) =>
      fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })), { minLength: n, maxLength: n });
    fc.assert(
      fc.property(fc.oneof(octets(4), octets(16)), (bytes) => {
        const text = addressText(String.fromCharCode(...bytes));
        expect(addressBytes(text)).toBe(String.fromCharCode(...bytes));
        expect(isIP(text)).toBe(bytes.length === 4 ? 4 : 6);
        if (bytes.length === 16 && !/^::[0-9a-f]+(:[0-9a-f]+)?$/.test(text)) {
          // inet_ntop writes ::1:2 as ::0.1.0.2; RFC 5952 does not
          expect(text).toBe(new SocketAddress({ address: text, family: "ipv6" }).address);
        }
      }),
    );
  });

  test("accepts what node accepts, zones aside", () => {
    const soup = fc.string({ unit: fc.constantFrom(..."0123456789abcF:.:.::"), maxLength: 24 });
    fc.assert(
      fc.property(soup, (text) => {
        expect(addressBytes(text)?.length ?? 0).toBe({ 0: 0, 4: 4, 6: 16 }[isIP(text) as 0 | 4 | 6]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("ranges", () => {
  test.each<[string, boolean]>([
    ["10.0.1.0/24", true],
    ["0.0.0.0/0", true],
    ["10.0.1.1/32", true],
    ["fd00::/64", true],
    ["::/0", true],
    ["fd00::1/128", true],
    ["10.0.1.1/24", false],
    ["10.0.1.0/33", false],
    ["fd00::/129", false],
    ["fd00::1/64", false],
    ["10.0.1.0", false],
    ["10.0.1.0/", false],
    ["10.0.1.0/24/", false],
    ["10.0.1.0/-1", false],
    ["/24", false],
    ["0.0.0.0/x0", false],
    ["0.0.0.0/0x", false],
  ])("%s", (text, good) => {
    const range = parseCidr(text);
    expect(range !== undefined).toBe(good);
    if (good) expect(range).toMatchObject({ bits: Number(text.split("/")[1]), family: familyOf(text) });
  });

  test.each<[string, string, boolean]>([
    ["10.0.1.0/24", "10.0.1.255", true],
    ["10.0.1.0/24", "10.0.2.0", false],
    ["10.0.1.128/25", "10.0.1.127", false],
    ["0.0.0.0/0", "1.2.3.4", true],
    ["0.0.0.0/0", "::1", false],
    ["fd00::/63", "fd00:0:0:1::9", true],
    ["fd00::/64", "fd00:0:0:1::9", false],
    ["10.0.1.0/24", "nonsense", false],
  ])("%s has %s: %s", (cidr, address, expected) => {
    expect(inCidr(parseCidr(cidr)!, address)).toBe(expected);
  });

  test.each<[string, string, boolean]>([
    ["10.0.1.0/24", "10.0.1.0/24", true],
    ["10.0.0.0/8", "10.9.0.0/16", true],
    ["10.0.1.0/25", "10.0.1.128/25", false],
    ["0.0.0.0/0", "10.0.0.0/8", true],
    ["0.0.0.0/0", "::/0", false],
    ["fd00::/64", "fd00:0:0:1::/64", false],
  ])("%s and %s overlap: %s", (a, b, expected) => {
    expect(cidrsOverlap(parseCidr(a)!, parseCidr(b)!)).toBe(expected);
    expect(cidrsOverlap(parseCidr(b)!, parseCidr(a)!)).toBe(expected);
  });
});

test.each([
  ["1.2.3.4", "4.3.2.1.in-addr.arpa"],
  ["2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"], // RFC 3596 2.5
])("reverse name of %s", (address, name) => {
  expect(keyName(reverseKey(addressBytes(address)!))).toBe(name);
});

test.each([
  ["192.0.2.1", 53, 4, "192.0.2.1:53"],
  ["fd00::1", 5353, 6, "[fd00::1]:5353"],
])("%s port %i is of family %i and written %s", (address, port, family, text) => {
  expect([familyOf(address), placeText(address, port)]).toEqual([family, text]);
});
