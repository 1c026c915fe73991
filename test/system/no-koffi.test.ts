/** Where system calls of our own can't be had: no namespaces, and nothing of them touched. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { asked, freePort, serve } from "./dig.ts";
import { Namespaces, withoutNamespaces } from "./namespaces.ts";

const BLOCK = `
const modules = require("node:module");
const load = modules._load;
modules._load = (request, ...more) => {
  if (request === "koffi") throw new Error("not for this machine");
  return load(request, ...more);
};`;

describe.skipIf(withoutNamespaces())("without koffi", () => {
  let ns: Namespaces;
  beforeEach(async () => {
    ns = new Namespaces();
    await ns.add("a");
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    ns.clean();
  });

  test("a sandbox with a namespace is not attached, here least of all; others are answered", async () => {
    const block = join(mkdtempSync(join(tmpdir(), "eleven-")), "block.cjs");
    writeFileSync(block, BLOCK);
    vi.stubEnv("NODE_OPTIONS", `--require=${block}`);
    ns.writeResolvConf("a", "nameserver 192.0.2.1\n");
    const [inside, here] = [await freePort(), await freePort()];
    const served = await serve(`
upstreams: []
networks: { n: { subnet: 10.77.5.0/24 } }
containers: { c: { networks: { n: { ip: 10.77.5.7 } } } }
sandboxes:
  a: { container: c, netns: ${ns.path("a")}, listen: "127.0.0.1:${inside}", resolv_conf: ${ns.resolvConf("a")} }
  here: { container: c, listen: "127.0.0.1:${here}" }
`);
    const reason = "a network namespace can't be entered here: koffi can't be loaded: not for this machine";
    expect(served.errors()).toContain(`sandbox a is not attached: ${reason}`);
    expect(ns.readResolvConf("a")).toBe("nameserver 192.0.2.1\n");
    expect(await asked(here, "c")).toMatch(/ A 10\.77\.5\.7/);
    await expect(asked(inside, "c")).rejects.toThrow(); // nobody is there
    expect(await served.stop()).toBe(0);
    expect(ns.readResolvConf("a")).toBe("nameserver 192.0.2.1\n");
  });
});
