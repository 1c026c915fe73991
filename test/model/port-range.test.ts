/** Ranges of ports as people write them. */
import { expect, test } from "vitest";
import { eachPort, parseRange, publishedProblem, rangeProblem } from "../../src/model/port-range.ts";

test.each([
  ["8000-8010", [8000, 8010]],
  ["80-80", [80, 80]],
  ["1-65535", [1, 65_535]],
  ["1-65536", undefined],
  ["90-80", undefined],
  ["0-5", undefined],
  ["080-90", undefined],
  ["80-90 ", undefined],
  ["80-900000", undefined],
  ["80-", undefined],
  ["80", undefined],
])("%j is %j", (text, expected) => expect(parseRange(text)).toEqual(expected));

test.each([
  ["1-1000", undefined],
  ["1-1001", "must be a range of at most 1000 ports"],
  ["x", 'must be a port from 1 to 65535 or a range such as "8000-8010"'],
])("what is wrong with %j: %s", (text, expected) => expect(rangeProblem(text)).toBe(expected));

test.each([
  [80, undefined, undefined],
  [80, 0, undefined],
  [80, 8080, undefined],
  ["80-89", "90-99", undefined],
  ["80-89", 0, undefined],
  ["80-89", 8080, "must have as many ports as target (10)"],
  ["80-89", "90-98", "must have as many ports as target (10)"],
  [80, "90-91", "must have as many ports as target (1)"],
])("what is wrong with %j published as %j: %s", (target, published, expected) => {
  expect(publishedProblem(target, published)).toBe(expected);
});

test.each([
  [80, undefined, [{ target: 80 }]],
  [80, 8080, [{ target: 80, published: 8080 }]],
  [
    "80-81",
    "90-91",
    [
      { target: 80, published: 90 },
      { target: 81, published: 91 },
    ],
  ],
  [
    "80-81",
    0,
    [
      { target: 80, published: 0 },
      { target: 81, published: 0 },
    ],
  ],
  ["80-81", undefined, [{ target: 80 }, { target: 81 }]],
])("%j published as %j, port by port", (target, published, expected) => {
  expect(eachPort({ name: "web", target, published })).toStrictEqual(
    expected.map((port) => ({ name: "web", ...port })),
  );
});
