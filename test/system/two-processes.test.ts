/** Two processes on one namespace: the second stands back until the first has gone, however that goes. */
import { mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { have, type Served, serve } from "./dig.ts";
import { eventually, Namespaces, withoutNamespaces } from "./namespaces.ts";

describe.skipIf(withoutNamespaces() || !have("nft"))("two processes on one namespace", () => {
  let ns: Namespaces;
  const running: Served[] = [];
  beforeEach(async () => {
    ns = new Namespaces();
    await ns.add("a");
  });
  afterEach(async () => {
    for (const served of running.splice(0)) await served.stop();
    ns.clean();
  });

  const start = async (ip: string, ...paths: string[]) => {
    const sandboxes = paths.map((path, i) => `  s${i}: { container: c, netns: ${path}, listen: "127.0.0.1${i}:53" }`);
    const served = await serve(`
upstreams: []
networks: { n: { subnet: 10.77.6.0/24 } }
containers: { c: { networks: { n: { ip: ${ip} } } } }
sandboxes:
${sandboxes.join("\n")}
`);
    running.push(served);
    return served;
  };
  const ask = (at = "127.0.0.10") => ns.exec("a", "dig", `@${at}`, "+short", "+time=2", "+tries=1", "c");

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "the second says who is there and touches nothing; after %s it takes over",
    async (signal) => {
      const first = await start("10.77.6.7", ns.path("a"));
      const alias = join(mkdtempSync(join(tmpdir(), "eleven-")), "alias");
      symlinkSync(ns.path("a"), alias);
      const second = await start("10.77.6.8", alias);
      expect(second.line).toMatch(/: s0 not yet$/);
      expect(second.errors()).toMatch(
        new RegExp(
          `sandbox s0 is not attached: process ${first.pid} with the same state directory .* answers in ${alias}`,
        ),
      );
      expect(await ask()).toBe("10.77.6.7");
      expect(first.errors()).not.toContain('"warn"');
      expect(await ns.exec("a", "nft", "list", "tables")).not.toContain("eleven_dns");
      running.shift();
      await first.stop(signal);
      await eventually(
        () => ask(),
        (answer) => answer === "10.77.6.8",
      );
    },
  );

  test("in one process, two paths to one namespace are one place: nothing is redirected from anybody", async () => {
    const alias = join(mkdtempSync(join(tmpdir(), "eleven-")), "alias");
    symlinkSync(ns.path("a"), alias);
    const served = await start("10.77.6.7", ns.path("a"), alias);
    expect([await ask(), await ask("127.0.0.11")]).toEqual(["10.77.6.7", "10.77.6.7"]);
    expect(await ns.exec("a", "nft", "list", "tables")).not.toContain("eleven_dns");
    expect(await served.stop()).toBe(0);
    expect(served.errors()).not.toContain('"warn"');
  });
});
