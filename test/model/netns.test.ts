import { expect, test } from "vitest";
import { netnsPath } from "../../src/model/netns.ts";

test.each([
  ["web", "/run/netns/web"],
  ["4711", "/proc/4711/ns/net"],
  ["web2", "/run/netns/web2"],
  ["2web", "/run/netns/2web"],
  ["/proc/self/ns/net", "/proc/self/ns/net"],
  ["./4711", "./4711"],
])("the namespace %s is at %s", (name, path) => expect(netnsPath(name)).toBe(path));
