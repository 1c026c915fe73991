/** Words that were read where a container may have written them. */
import { expect, test } from "vitest";
import { isDevice } from "../../src/lb-programmer/backends/common/typed.ts";

test.each([
  ["eth0", true],
  ["veth-12.34@x", true],
  ["fifteen-letters", true],
  ["sixteen--letters", false],
  ["", false],
  [".", false],
  ["..", false],
  ["a b", false],
  ["a\nb", false],
  ["a/b", false],
  ['a"b', false],
  ["a;b", false],
  ["\u001b[2J", false],
  ["\u007fev0", false],
  ["\u009b31m", false],
  ["ü0", false],
])("%j as an interface's name: %s", (name, is) => expect(isDevice(name)).toBe(is));
