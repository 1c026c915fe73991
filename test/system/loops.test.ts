/** Resolvers that forward to themselves or to each other: each question ends soon, with the reason, and few packets. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { asked, dig, freePort, have, type Served, serve } from "./dig.ts";

const config = (port: number, upstream: number) => `
networks: { n: {} }
containers: { c: { networks: [n] } }
sandboxes: { c: { container: c, listen: "127.0.0.1:${port}", upstreams: ["127.0.0.1:${upstream}"] } }
`;

const ports: number[] = [];
const served: Served[] = [];
beforeAll(async () => {
  for (let i = 0; i < 3; i++) ports.push(await freePort());
  const [own, one, two] = ports as [number, number, number];
  for (const [port, upstream] of [
    [own, own],
    [one, two],
    [two, one],
  ] as const)
    served.push(await serve(config(port, upstream)));
});
afterAll(() => Promise.all(served.map((s) => s.stop())));

test.skipIf(!have("dig")).each([
  ["itself", 0, []],
  ["itself, over TCP", 0, ["+tcp"]],
  ["each other", 1, []],
  ["each other, without EDNS", 1, ["+noedns"]],
])("a resolver whose upstream is %s", async (name, which, words) => {
  const started = performance.now();
  const question = `${name.replace(/\W+/g, "-")}.example`;
  expect(await asked(ports[which]!, question, ...words)).toMatch(/^SERVFAIL/);
  expect(performance.now() - started).toBeLessThan(3_000); // the question's deadline is after four seconds
  if (words.length === 0) expect(await dig(ports[which]!, question)).toContain("forwarding loop through 127.0.0.1:");
});
