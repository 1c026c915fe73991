/** Words that are wrong: what was meant, and where to read on. Nobody is asked anything. */
import { describe, expect, test } from "vitest";
import { closest } from "../../src/commands/text/closest.ts";
import { version } from "../../src/version.ts";
import { eleven, split } from "../support/fake-agent.ts";

test.each([
  ["srve x", 'there is no command "srve"; did you mean serve? eleven --help lists them'],
  ["xyzzy", 'there is no command "xyzzy"; eleven --help lists them'],
  ["service lss", 'there is no command "service lss"; did you mean ls? eleven service --help lists them'],
  ["service", "usage: eleven service ls|inspect|create|update|rm|scale; eleven service --help says more"],
  ["config", "usage: eleven config check FILE, or eleven config schema"],
  ["upstream", "usage: eleven upstream ls"],
  ["serve", "usage: eleven serve FILE"],
  ["serve a b", "usage: eleven serve FILE"],
  ["query", "usage: eleven query NAME [TYPE]"],
  ["service rm", "usage: eleven service rm SERVICE..."],
  ["service scale", "usage: eleven service scale SERVICE=REPLICAS..."],
  ["serve x --netsn y", "Unknown option '--netsn'; did you mean --netns? eleven serve --help lists what there is"],
  ["serve x --netns", "Option '--netns <NAMESPACE>' argument missing; eleven serve --help says more"],
  ["status --zzz", "Unknown option '--zzz'; eleven status --help lists what there is"],
  [
    "task update t --health ill",
    "Option '--health <HEALTH>' argument 'ill' is invalid. Allowed choices are none, starting, healthy, unhealthy; eleven task update --help says more",
  ],
  [
    "service create w --timeout long",
    "Option '--timeout <SECONDS>' argument 'long' is invalid. It must be seconds, 0 to 86400; eleven service create --help says more",
  ],
  [
    "completion tcsh",
    "Command-argument value 'tcsh' is invalid for argument 'SHELL'. Allowed choices are bash, zsh, fish; eleven completion --help says more",
  ],
  ["status --socket ''", "Option '--socket <PATH>' argument '' is invalid. It must be a path; eleven --help says more"],
  ["status --format {{.", "--format: {{{{}}: there is no }} to it"],
])("eleven %s", async (words, said) => {
  expect(await eleven(split(words))).toBe(`! ${said}\nexit 2`);
});

describe("what is said for nothing", () => {
  test.each([["--version"], ["-V"], ["status -V"]])("%s", async (words) => {
    expect(await eleven(split(words))).toBe(version);
  });

  test.each([
    ["", "--help"],
    ["help", "--help"],
    ["-h", "--help"],
    ["help service", "service --help"],
    ["service -h", "service --help"],
  ])('"%s" is %s', async (words, same) => {
    const [said, expected] = [await eleven(split(words)), await eleven(split(same))];
    expect(said).toBe(expected);
    expect(said).toMatch(/^Usage: eleven/);
  });
});

test("a suggestion is never further away than a third of the word", () => {
  expect(closest("agent", ["event"])).toBeUndefined();
});
