/** What is said, second by second, and what of it the log takes. */
import { expect, test } from "vitest";
import { type Line, LogLimit } from "../../src/commands/log-limit.ts";

/** "3 full": said at second 3. "7": nothing said, but looked. Answers likewise, with how often. */
function play(said: readonly string[]): string[] {
  const limit = new LogLimit(0);
  return said.flatMap((words) => {
    const [, second, message] = /^([\d.]+) ?(.*)$/.exec(words)!;
    const now = Number(second) * 1_000;
    const lines = message === "" ? limit.due(now) : limit.say(message!, "warn", now);
    const said = ({ repeated, last = 0 }: Line) =>
      repeated === undefined ? "" : ` x${repeated}, last ${last / 1_000}`;
    return lines.map((l) => `${second} ${l.message}${said(l)}`);
  });
}

const many = (second: number, count: number) => Array.from({ length: count }, (_, i) => `${second} m${second}.${i}`);

test.each<[name: string, said: string[], written: string[]]>([
  ["different messages", ["0 a", "0 b", "1 c"], ["0 a", "0 b", "1 c"]],
  [
    "the same is counted, and said again after ten seconds",
    ["0 a", "1 a", "2 a", "9", "10"],
    ["0 a", "10 a x2, last 2"],
  ],
  [
    "and its count is not lost when it comes again",
    ["0 a", "1 a", "11 a", "21"],
    ["0 a", "11 a x1, last 1", "21 a x1, last 11"],
  ],
  ["once is not repeated", ["0 a", "10", "20 a"], ["0 a", "20 a"]],
  [
    "what was counted is limited again",
    ["0 a", "1 a", "10", "11 a", "19", "20"],
    ["0 a", "10 a x1, last 1", "20 a x1, last 11"],
  ],
])("%s", (_, said, written) => {
  expect(play(said)).toEqual(written);
});

test("300 at once, then one a second, and how many were left out each ten seconds", () => {
  const written = play([...many(0, 400), ...many(1, 5), ...many(2, 5), ...many(10, 20), ...many(11, 1)]);
  const bySecond = (second: string) => written.filter((l) => l.startsWith(`${second} `)).length;
  expect(["0", "1", "2", "10", "11"].map(bySecond)).toEqual([301, 1, 1, 9, 1]);
  expect(written.filter((l) => l.includes("left out"))).toEqual([
    "0 log lines left out, because there were too many: 1",
    "10 log lines left out, because there were too many: 107",
  ]);
});

test("a thousand messages are known, and a day of ever new ones costs a line a second", () => {
  const limit = new LogLimit(0);
  let lines = 0;
  for (let now = 0; now < 86_400_000; now += 250) lines += limit.say(`m${now}`, "warn", now).length;
  expect(lines).toBeLessThan(86_400 * 1.2);
  expect(limit.waiting).toBe(true);
  expect(limit.due(86_500_000).map((l) => l.message)).toEqual([expect.stringMatching(/left out/)]);
  expect(limit.waiting).toBe(false);
});
