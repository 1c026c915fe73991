/** A container that asks more than anyone can want: what it tries, and what must not happen to the container next to it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Served, serve } from "../system/dig.ts";
import { withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";
import { flood, steady } from "./scripts.ts";

describe.skipIf(withoutNamespaces())("a container floods the resolver", () => {
  const containers = new Containers();
  let served: Served;

  beforeAll(async () => {
    await containers.add("a", "b");
    served = await serve(`
upstreams: []
balance: { backend: none }
networks: { n: {} }
services: { web: { networks: [n], replicas: 250 } }
containers: { one: { networks: [n] } }
sandboxes:
  a: { container: one, netns: ${containers.path("a")} }
  b: { container: one, netns: ${containers.path("b")} }
`);
  });
  afterAll(async () => {
    await served?.stop();
    containers.clean();
  });

  test.each([
    ["small local questions", flood("one A")],
    ["local questions with answers of 4 kB", flood("tasks.web A", 4096)],
    ["questions that fail: nobody is there to ask", flood("other.example A")],
    ["what is no question", flood("one TYPE41")],
  ])("with %s, as fast as it can | of 1 000 questions a second next to it none is lost", async (_, script) => {
    const attack = await containers.attacking("a", script);
    expect(containers.attack("b", steady("one A", 2_000))).toBe("2000\n");
    attack.end();
    expect(served.errors()).not.toMatch(/"level":"warn"/);
  });
});
