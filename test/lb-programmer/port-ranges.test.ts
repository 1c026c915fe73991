/** Ranges of ports: what becomes one, what stays by itself, and what is in the way of what. */
import { expect, test } from "vitest";
import {
  countOf,
  inTheWay,
  joined,
  joinedPublished,
  overlap,
  portText,
  rangeOf,
  samePorts,
  sameTexts,
  single,
} from "../../src/lb-programmer/port-ranges.ts";
import type { PortRange, PublishedPort } from "../../src/lb-programmer/state.ts";
import type { Protocol } from "../../src/model/types.ts";
import { parseState } from "./state-text.ts";

/** "tcp/80 udp/53-60"; "tcp/1..3" is each of them by itself. */
const ports = (text: string): PortRange[] =>
  text.split(" ").flatMap((word) => {
    const [, protocol, first, between, last] = /^(\w+)\/(\d+)(?:(-|\.\.)(\d+))?$/.exec(word) ?? [];
    if (protocol === undefined) return [];
    const [from, to] = [Number(first), Number(last ?? first)];
    const port = (n: number): PortRange => ({ protocol: protocol as Protocol, port: n });
    if (between === "-") return [{ ...port(from), last: to }];
    return Array.from({ length: to - from + 1 }, (_, i) => port(from + i));
  });

test.each([
  ["nothing", "", ""],
  ["seven neighbours", "tcp/1..7", "tcp/1 tcp/2 tcp/3 tcp/4 tcp/5 tcp/6 tcp/7"],
  ["eight", "tcp/1..8", "tcp/1-8"],
  ["nine in any order", "tcp/9 tcp/2..8 tcp/1", "tcp/1-9"],
  ["one that is missing between them", "tcp/1..8 tcp/10..17", "tcp/1-8 tcp/10-17"],
  ["of another protocol", "udp/9 tcp/1..8", "tcp/1-8 udp/9"],
  ["protocols one after the other", "udp/1 tcp/2 sctp/4 tcp/1 udp/0 sctp/3", "sctp/3 sctp/4 tcp/1 tcp/2 udp/0 udp/1"],
  ["behind a range", "tcp/11..17 tcp/1-10", "tcp/1-17"],
  ["a few behind a range", "tcp/1-10 tcp/11", "tcp/1-10 tcp/11"],
])("joined: %s", (_, given, expected) => {
  const before = ports(given);
  expect(joined(before).map(portText).join(" ")).toBe(expected.replace(/\//g, " "));
  expect(before).toEqual(ports(given));
});

/** "tcp 80 to 10.0.0.2 8080 over br" and so on, as in a state. */
const published = (text: string): readonly PublishedPort[] =>
  parseState(text.replace(/^\s*(?=\S)/gm, "published ")).published;

const [RANGE] = published("tcp 8000-8007 to 10.0.0.2 8000 over br from 10.0.0.0/8") as [PublishedPort];

test("a published range and its ports, either way", () => {
  const each = single(RANGE);
  expect(each).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map(
      (n) => published(`tcp ${8000 + n} to 10.0.0.2 ${8000 + n} over br from 10.0.0.0/8`)[0],
    ),
  );
  expect(joinedPublished(each)).toEqual([RANGE]);
  expect(single(each[0]!)).toEqual([each[0]]);
});

test.each([
  ["of the same kind", {}, "8000-8008"],
  ["that leads to another port", { toPort: 80 }, "8000-8007 8008"],
  ["of another protocol", { protocol: "udp" }, "8000-8007 8008"],
  ["that leads elsewhere", { to: "10.0.0.3" }, "8000-8007 8008"],
  ["over another bridge", { bridge: "gw" }, "8000-8007 8008"],
  ["for others", { sources: ["192.0.2.0/24"] }, "8000-8007 8008"],
  ["that is no neighbour", { port: 8009, toPort: 8009 }, "8000-8007 8009"],
] as const)("a published neighbour %s", (_, as, expected) => {
  const { last: _last, ...one } = RANGE;
  const neighbour = { ...one, port: 8008, toPort: 8008, ...as };
  expect(numbers(joinedPublished([...single(RANGE), neighbour]))).toBe(expected);
});

test("a published neighbour before them that leads to another port", () => {
  const { last: _, ...one } = RANGE;
  const neighbour = { ...one, port: 7999, toPort: 80 };
  expect(numbers(joinedPublished([neighbour, ...single(RANGE)]))).toBe("7999 8000-8007");
});

const numbers = (list: readonly PublishedPort[]): string =>
  list.map(({ port, last }) => (last === undefined ? `${port}` : `${port}-${last}`)).join(" ");

const [A, B, SIX] = ["10.0.0.2", "10.0.0.3", "fd00::2"];
test.each([
  ["the same port", `tcp 80 to ${A}`, `tcp 80 to ${B}`, "80"],
  ["another port", `tcp 80 to ${A}`, `tcp 81 to ${A}`, ""],
  ["another protocol", `tcp 80 to ${A}`, `udp 80 to ${A}`, ""],
  ["another family", `tcp 80 to ${A}`, `tcp 80 to ${SIX}`, ""],
  ["the range before a port", `tcp 70-79 to ${A}`, `tcp 80 to ${A}`, ""],
  ["the range that ends with a port", `tcp 70-80 to ${A}`, `tcp 80 to ${A}`, "70-80"],
  ["the range that begins with a port", `tcp 80-90 to ${A}`, `tcp 80 to ${A}`, "80-90"],
  ["the range behind a port", `tcp 81-90 to ${A}`, `tcp 80 to ${A}`, ""],
  [
    "ports around and in a range",
    `tcp 69 to ${A}\n tcp 70 to ${A}\n tcp 79 to ${A}\n tcp 80 to ${A}`,
    `tcp 70-79 to ${A}`,
    "70 79",
  ],
  ["a range's port of another family", `tcp 75 to ${A}`, `tcp 70-79 to ${SIX}`, ""],
  ["a range of another protocol", `udp 70-79 to ${A}`, `tcp 75 to ${A}`, ""],
  ["ranges that meet", `tcp 60-70 to ${A}\n tcp 79-90 to ${A}\n tcp 50-60 to ${A}`, `tcp 70-79 to ${A}`, "60-70 79-90"],
  ["a range and ports of which one is in it", `tcp 70-79 to ${A}`, `tcp 60 to ${A}\n tcp 75 to ${A}`, "70-79"],
  ["ports of which one is another's", `tcp 80 to ${A}\n tcp 81 to ${A}`, `tcp 81 to ${B}\n tcp 90-99 to ${B}`, "81"],
])("in the way: %s", (_, there, wanted, expected) => {
  const over = (text: string) => published(text.replace(/$/gm, " 1 over br"));
  expect(numbers(inTheWay(over(there), over(wanted)))).toBe(expected);
});

test.each([
  ["tcp/80", "tcp/80", true],
  ["tcp/80", "udp/80", false],
  ["tcp/80-90", "tcp/90-99", true],
  ["tcp/80-90", "tcp/91", false],
  ["tcp/80-90", "tcp/70-79", false],
  ["tcp/80-90", "tcp/70-80", true],
])("%s and %s have a port in common: %s", (a, b, expected) => {
  expect(overlap(ports(a)[0]!, ports(b)[0]!)).toBe(expected);
});

test.each([
  ["", 0],
  ["tcp/80", 1],
  ["tcp/80 udp/53-60 tcp/1-2", 11],
])("%j are so many ports: %d", (text, expected) => expect(countOf(ports(text))).toBe(expected));

test.each([
  ["tcp/80-90", 85, "tcp/80-85"],
  ["tcp/80", 81, "tcp/80-81"],
  ["tcp/80-90", 80, "tcp/80"],
])("%s to %d is %s", (text, last, expected) => expect(rangeOf(ports(text)[0]!, last)).toEqual(ports(expected)[0]));

test.each([
  ["tcp/80 udp/53-60", "udp/53-60 tcp/80", true],
  ["tcp/80", "udp/80", false],
  ["tcp/80-90", "tcp/80", false],
  ["tcp/80", "tcp/80 tcp/81", false],
])("%s and %s are the same ports: %s", (a, b, expected) => expect(samePorts(ports(a), ports(b))).toBe(expected));

const TEXTS = ["a", "b"];
test.each([
  [undefined, undefined, true],
  [TEXTS, TEXTS, true],
  [TEXTS, ["b", "a"], true],
  [TEXTS, ["a", "c"], false],
  [TEXTS, ["a"], false],
  [[], undefined, false],
  [undefined, [], false],
])("%j and %j are the same texts: %s", (a, b, expected) => expect(sameTexts(a, b)).toBe(expected));
