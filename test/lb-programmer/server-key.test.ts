/** Keys of servers: what is kept over restarts stays as it was, and no two servers have the same. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readKey, serverKey } from "../../src/lb-programmer/server-key.ts";

test.each<[service: string, network: string, family: 4 | 6, local: boolean, key: string]>([
  ["web", "mynet", 4, false, "web/mynet/4"],
  ["web", "mynet", 6, true, "web/mynet/6/local"],
  ["a b.c_d-e", "ä", 4, false, "a b.c_d-e/ä/4"],
  ["a/b", "c", 4, false, "a%2Fb/c/4"],
  ["a", "b/c", 4, false, "a/b%2Fc/4"],
  ["a%2Fb", "c", 4, false, "a%252Fb/c/4"],
  ["a", "b/4", 6, false, "a/b%2F4/6"],
])("%s on %s, IPv%i, local %s: %s", (service, network, family, local, key) => {
  expect(serverKey(service, network, family, local)).toBe(key);
  expect(readKey(key)).toEqual({ service, network });
});

test.each(["", "web", "web/mynet", "web/mynet/5", "web/mynet/4/other", "a/b/c/4", "web/mynet/4/"])(
  "%j is no key of ours",
  (key) => {
    expect(readKey(key)).toBe(undefined);
  },
);

test("whatever the ids, a key says which", () => {
  const id = fc.string({ unit: fc.constantFrom("a", "/", "%", "2", "F", "5", "4"), minLength: 1 });
  fc.assert(
    fc.property(id, id, fc.constantFrom<4 | 6>(4, 6), fc.boolean(), (service, network, family, local) => {
      expect(readKey(serverKey(service, network, family, local))).toEqual({ service, network });
    }),
  );
});
