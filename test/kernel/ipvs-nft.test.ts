/** The rules of the ipvs backend, through iptables' nft flavour and in a table, as far as they need no IPVS: they are on this kernel. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IpvsBackend } from "../../src/lb-programmer/backends/ipvs/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbTarget } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { parseState, stateText } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const works = privileged() && (await exec("iptables-nft-save", []).catch(() => ({ status: 1 }))).status === 0;

describe.skipIf(!works)("ipvs backend, without IPVS", () => {
  let namespace: Namespace;
  let target: LbTarget;
  const [backend, table] = [new IpvsBackend({ iptables: "nft" }), new IpvsBackend()];
  beforeEach(async () => {
    namespace = await freshNamespace("nft");
    target = { kind: "network", id: "network/x", network: "x", device: "dev0", netns: namespace.path };
  });
  afterEach(() => namespace.remove());

  async function become(text: string, by: IpvsBackend): Promise<void> {
    const desired = parseState(text);
    await by.apply(target, diff(await by.read(target, []), desired), desired);
    expect(stateText(await by.read(target, []))).toBe(stateText(desired));
  }

  const STATES = [
    ["a task's published ports", "redirect 10.0.0.4 tcp 8080 to 80\nredirect fd00::4 udp 5353 to 53"],
    [
      "the host's",
      "published tcp 8080 to 172.18.0.2 8080 over e11-gw\npublished sctp 9000 to fd18::2 9000 over e11-gw",
    ],
    ["an address", "address 10.0.1.4 lo\naddress fd00:1::4 lo"],
  ] as const;

  test.each(STATES)("%s", async (_, text) => {
    await become(text, backend);
    await become("", backend);
    await become(text, backend);
    await backend.clear(target);
    expect(await backend.read(target, [])).toEqual({ ...EMPTY });
    expect(await namespace.run("nft", "list", "ruleset")).not.toContain("ELEVEN");
  });

  test.each(STATES)("in a table: %s", async (_, text) => {
    await become(text, table);
    await become("", table);
    await become(text, table);
    expect(await namespace.run("nft", "list", "tables")).toBe("table inet eleven\n");
    await table.clear(target);
    expect(await table.read(target, [])).toEqual({ ...EMPTY });
    expect(await namespace.run("nft", "list", "ruleset")).toBe("");
  });

  test("what an earlier version left in iptables is taken away; others' rules stay", async () => {
    await namespace.run("iptables-nft", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "9", "-j", "REDIRECT");
    await become(STATES[0][1], backend);
    const successor = new IpvsBackend();
    expect(await successor.read(target, [])).toEqual({ ...EMPTY });
    await become(STATES[0][1], successor);
    const rules = await namespace.run("nft", "list", "ruleset");
    expect(rules).not.toContain("ELEVEN");
    expect(rules).toContain("tcp dport 9");
    expect(rules).toContain("redirects4");
    await successor.clear(target);
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
