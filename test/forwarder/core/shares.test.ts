import { describe, expect, test } from "vitest";
import type { Flight, Share } from "../../../src/forwarder/core/flight.ts";
import { Shares } from "../../../src/forwarder/core/shares.ts";

const flight = (key: string) => ({ key, older: undefined, newer: undefined }) as Flight;

/** The share's flights from the oldest on, and back. */
function listed(share: Share): string {
  const there: string[] = [];
  for (let f = share.oldest; f !== undefined; f = f.newer) there.push(f.key);
  const back: string[] = [];
  for (let f = share.newest; f !== undefined; f = f.older) back.unshift(f.key);
  expect(back).toEqual(there);
  expect(share.flights).toBe(there.length);
  return there.join(" ");
}

test.each([
  ["the oldest", "a", "b c"],
  ["one between", "b", "a c"],
  ["the newest", "c", "a b"],
  ["all", "b a c", ""],
  ["two", "c b", "a"],
])("flights are listed by age; given back: %s", (_name, given, left) => {
  const shares = new Shares();
  const share = shares.of("box");
  const flights = new Map(["a", "b", "c"].map((key) => [key, flight(key)]));
  for (const f of flights.values()) shares.take(share, f);
  expect(listed(share)).toBe("a b c");
  for (const key of given.split(" ")) shares.give(share, flights.get(key)!);
  expect(listed(share)).toBe(left);
  const first = flights.get(given.split(" ")[0]!)!;
  expect([first.older, first.newer]).toEqual([undefined, undefined]);
  shares.take(share, flight("d"));
  expect(listed(share)).toBe(`${left} d`.trim());
});

describe("who gives way", () => {
  /** "a=3 b=1": what each has. */
  function world(text: string, put: (shares: Shares, share: Share, count: number) => void): Shares {
    const shares = new Shares();
    for (const [asker = "", count = ""] of text.split(" ").map((pair) => pair.split("=")))
      put(shares, shares.of(asker), Number(count));
    return shares;
  }
  const rows: [string, string, string, string | undefined][] = [
    ["below an equal part: whoever has most", "a=3 b=1", "b", "a"],
    ["nobody for who has its part", "a=2 b=2", "b", undefined],
    ["nor for who has more", "a=3 b=1", "a", undefined],
    ["a newcomer counts", "a=4", "b", "a"],
    ["the one with most, wherever it stands", "b=0 a=1 c=3", "b", "c"],
    ["of two that have as much the one that came first", "a=2 c=2", "b", "a"],
    ["whoever has nothing has no part", "a=2 c=0 d=0 b=1", "b", "a"],
    ["parts are rounded down", "a=2 c=1 b=1", "b", undefined],
    ["of five, nobody has one of four", "a=1 c=1 d=1 e=1", "b", undefined],
  ];
  test.each(rows)("of four flights: %s", (_name, text, asker, expected) => {
    const shares = world(text, (all, share, count) => {
      for (let i = 0; i < count; i++) all.take(share, flight(`${i}`));
    });
    expect(shares.richestInFlights(shares.of(asker), 4)?.asker).toBe(expected);
  });
  test.each(rows)("of four that wait: %s", (_name, text, asker, expected) => {
    const shares = world(text, (all, share, count) => {
      if (count > 0) all.wait(share, count);
    });
    expect(shares.richestInWaiters(shares.of(asker), 4)?.asker).toBe(expected);
  });

  test("what was given back leaves its part to others", () => {
    const shares = new Shares();
    const [a, b, c] = ["a", "b", "c"].map((asker) => shares.of(asker)) as [Share, Share, Share];
    const one = flight("one");
    shares.take(c, one);
    for (let i = 0; i < 3; i++) shares.take(a, flight(`${i}`));
    shares.take(b, flight("b"));
    shares.wait(c, 2);
    shares.wait(a, 3);
    shares.wait(b, 1);
    expect([shares.richestInFlights(b, 4), shares.richestInWaiters(b, 4)]).toEqual([undefined, undefined]);
    shares.give(c, one);
    shares.wait(c, -1);
    shares.wait(c, -1);
    expect([shares.richestInFlights(b, 4)?.asker, shares.richestInWaiters(b, 4)?.asker]).toEqual(["a", "a"]);
  });
});

test("those that have nothing in use are forgotten at 512, the others stay", () => {
  const shares = new Shares();
  const flying = shares.of("flying");
  shares.take(flying, flight("a"));
  const waiting = shares.of("waiting");
  shares.wait(waiting, 1);
  const idle = shares.of("idle");
  for (let i = 3; i < 512; i++) shares.of(`${i}`);
  expect(shares.of("idle")).toBe(idle);
  shares.of("one more");
  expect(shares.of("idle")).not.toBe(idle);
  expect([shares.of("flying"), shares.of("waiting")]).toEqual([flying, waiting]);
});

test("where many are in use, they are looked through at twice their number only", () => {
  const shares = new Shares();
  for (let i = 0; i < 512; i++) shares.wait(shares.of(`${i}`), 1);
  const idle = shares.of("idle"); // the 513th: looked through, none forgotten
  for (let i = 0; i < 511; i++) shares.of(`idle ${i}`);
  expect(shares.of("idle")).toBe(idle);
  shares.of("one more");
  expect(shares.of("idle")).not.toBe(idle);
});
