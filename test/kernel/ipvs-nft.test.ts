/** The rules of the ipvs backend through iptables' nft flavour, as far as they need no IPVS: they are on this kernel. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IpvsBackend } from "../../src/lb-programmer/backends/ipvs/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbTarget } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { parseState, stateText } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const works = privileged() && (await exec("iptables-nft-save", []).catch(() => ({ status: 1 }))).status === 0;

describe.skipIf(!works)("ipvs backend, iptables-nft", () => {
  let namespace: Namespace;
  let target: LbTarget;
  const backend = new IpvsBackend({ iptables: "nft" });
  beforeEach(async () => {
    namespace = await freshNamespace("nft");
    target = { kind: "network", id: "network/x", network: "x", device: "dev0", netns: namespace.path };
  });
  afterEach(() => namespace.remove());

  async function become(text: string): Promise<void> {
    const desired = parseState(text);
    await backend.apply(target, diff(await backend.read(target, []), desired), desired);
    expect(stateText(await backend.read(target, []))).toBe(stateText(desired));
  }

  test.each([
    ["a task's published ports", "redirect 10.0.0.4 tcp 8080 to 80\nredirect fd00::4 udp 5353 to 53"],
    [
      "the host's",
      "published tcp 8080 to 172.18.0.2 8080 over e11-gw\npublished sctp 9000 to fd18::2 9000 over e11-gw",
    ],
    ["an address", "address 10.0.1.4 lo\naddress fd00:1::4 lo"],
  ])("%s", async (_, text) => {
    await become(text);
    await become("");
    await become(text);
    await backend.clear(target);
    expect(await backend.read(target, [])).toEqual({ ...EMPTY });
    expect(await namespace.run("nft", "list", "ruleset")).not.toContain("ELEVEN");
  });

  // Ours are in one variant of iptables. A machine may have rules in the other one.
  test.each([
    ["nft", undefined],
    ["legacy", "nft insert rule ip filter FORWARD ct status dnat accept"],
  ] as const)("a policy of iptables-nft, with our rules in iptables-%s: %s", async (iptables, allow) => {
    await namespace.run("iptables-nft", "-P", "FORWARD", "DROP");
    const desired = parseState("published tcp 8080 to 172.18.0.2 8080 over e11-gw");
    const its = new IpvsBackend({ iptables });
    await its.apply(target, diff(await its.read(target, []), desired), desired);
    const matching = allow === undefined ? undefined : expect.stringContaining(allow);
    expect(its.blocked(target)).toEqual(matching);
    await its.read(target, []);
    expect(its.blocked(target)).toEqual(matching);
  });

  test("SNAT needs IPVS: the error says so", async () => {
    const desired = parseState("snat 10.0.1.0/24 to 10.0.1.3");
    await expect(backend.apply(target, diff(EMPTY, desired), desired)).rejects.toMatchObject({ name: "LbError" });
  });

  test("probe names what is missing", async ({ skip }) => {
    const { status } = await exec("modprobe", ["-n", "ip_vs"]).catch(() => ({ status: 1 }));
    if (status === 0) return skip("this kernel has IPVS");
    await expect(backend.probe(target)).rejects.toMatchObject({ code: "missing", target: "network/x" });
    await expect(backend.probe(target)).rejects.toThrow(/IPVS/);
  });
});
