/** The golden comparison on a kernel with IPVS: what is installed is what session.test.ts compared as text. */
import { describe, expect, test } from "vitest";
import { sysctlsOf } from "../../../src/lb-programmer/backends/backend.ts";
import { IpvsBackend } from "../../../src/lb-programmer/backends/ipvs/backend.ts";
import { diff } from "../../../src/lb-programmer/diff.ts";
import { Marks } from "../../../src/lb-programmer/marks.ts";
import { normal } from "../../../src/lb-programmer/normal.ts";
import { Planner } from "../../../src/lb-programmer/plan/planner.ts";
import { EMPTY, type LbTarget } from "../../../src/lb-programmer/state.ts";
import { freshNamespace } from "../../kernel/namespaces.ts";
import { CAPTURES, type DockerNamespace, registryOf, targetOf } from "./capture.ts";
import { factsOfOurs } from "./facts.ts";

/** Those with everything in it: published ports, two networks, a service without tasks. */
const STEPS = ["07-pub-8080", "10-multinet", "12-web0"];

export function installedGolden(): void {
  const backend = new IpvsBackend({ iptables: true });
  describe.each(CAPTURES.filter(([step]) => STEPS.includes(step)))("golden: %s, installed", (_, capture) => {
    const state = registryOf(capture);
    const marks = new Marks();
    const planner = new Planner({
      placement: "network",
      marks: (key) => marks.of(key),
      node: "here",
      sysctls: sysctlsOf(backend, {}),
    });
    test.each(Object.keys(capture.namespaces))("%s", async (name) => {
      const namespace = await freshNamespace("golden");
      try {
        await dress(namespace.run, capture.namespaces[name]!);
        const target: LbTarget = { ...targetOf(capture, name), netns: namespace.path };
        const desired = planner.plan(state, target);
        await backend.apply(target, diff(EMPTY, desired), desired);
        const printed = {
          iptables: await namespace.run("iptables-save"),
          ipvsadm: await namespace.run("ipvsadm", "-Sn"),
        };
        expect(factsOfOurs(desired, printed)).toEqual(factsOfOurs(desired));
        expect(normal(await backend.read(target, Object.keys(desired.sysctls)))).toEqual(normal(desired));
      } finally {
        await namespace.remove();
      }
    });
  });
}

/** Interfaces with the addresses that Docker gave them, but the VIPs. */
async function dress(run: (...command: [string, ...string[]]) => Promise<string>, { addresses }: DockerNamespace) {
  for (const [device, list] of Object.entries(addresses)) {
    await run("ip", "link", "add", device, "up", "type", "dummy");
    for (const address of list.filter((a) => !a.endsWith("/32")))
      await run("ip", "address", "add", address, "dev", device);
  }
}
