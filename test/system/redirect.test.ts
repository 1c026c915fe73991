/** The redirect of port 53, by nf_tables and where that fails with iptables: done twice it is there once, taken back it is gone. */
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { TOOL_FOLDERS } from "../../src/os/exec.ts";
import { bringLoopbackUp } from "../../src/os/link.ts";
import { inNetns } from "../../src/os/netns.ts";
import { bindUdp, closeFd, listenTcp, portOf } from "../../src/os/socket.ts";
import { keepRedirect } from "../../src/sandbox/keep-redirect.ts";
import { installRedirect, presentRedirect, removeRedirect } from "../../src/sandbox/redirect.ts";
import { createOpenSockets } from "../../src/sandbox/sockets.ts";
import { have } from "./dig.ts";
import { Namespaces, withoutNamespaces } from "./namespaces.ts";
import { ownRedirectTable, REDIRECT_TABLE } from "./owned-table.ts";

const FLUSH = "/usr/sbin/nft flush ruleset; iptables -t nat -F; iptables -t nat -X";

describe.skipIf(withoutNamespaces() || !have("nft") || !have("iptables"))("port 53 is redirected", () => {
  let ns: Namespaces;
  beforeEach(async () => {
    ns = new Namespaces();
    await ns.add("a");
  });
  afterEach(() => {
    ns.clean();
  });

  const TOOLS = [
    ["nft", ["nft", "list", "ruleset"], /dnat to 127\.0\.0\.11/g],
    ["iptables", ["iptables-save", "-t", "nat"], /-A (OUTPUT|POSTROUTING) -d 127\.0\.0\.11\/32 -j/g],
  ] as const;
  const use = async (tool: "nft" | "iptables"): Promise<void> => {
    if (tool === "iptables") await ownRedirectTable(ns.path("a"));
  };

  test.each(TOOLS)(
    "by %s, and left there by a process that was killed: whoever listens on the port is asked",
    async (tool, [command, ...args], ours) => {
      await use(tool);
      const at = { netns: ns.path("a"), address: "127.0.0.11", port: 53 };
      inNetns(at.netns, bringLoopbackUp);
      const udp = inNetns(at.netns, () => bindUdp("127.0.0.11", 0).fd);
      const tcp = inNetns(at.netns, () => listenTcp("127.0.0.11", 0).fd);
      await installRedirect(at, { udp, tcp });
      for (const fd of [udp, tcp]) closeFd(fd);
      const rules = async () => (await ns.exec("a", command, ...args)).match(ours) ?? [];
      expect(await rules()).toHaveLength(2);
      const open = createOpenSockets({ onNotice: () => {} });
      const sockets = await open({ address: at.address, port: at.port }, { netns: at.netns });
      expect(await rules()).toEqual([]);
      for (const fd of [sockets.udp, sockets.tcp]) closeFd(fd);
    },
  );

  test.each([
    ["127.0.0.11", "ip", "127.0.0.11"],
    ["fd00:53::b", "ip6", "[fd00:53::b]"],
  ])("on %s no tool is needed, and nft lists it as if it had made it", async (address, family, host) => {
    const at = { netns: ns.path("a"), address, port: 53 };
    await ns.ip("-n @a addr add fd00:53::b/128 dev lo nodad");
    const sockets = inNetns(at.netns, () => {
      bringLoopbackUp();
      return { udp: bindUdp(address, 0).fd, tcp: listenTcp(address, 0).fd };
    });
    const folders = TOOL_FOLDERS.splice(0);
    onTestFinished(() => void TOOL_FOLDERS.splice(0, TOOL_FOLDERS.length, ...folders));
    expect(await presentRedirect(at)).toBe("");
    await installRedirect(at, sockets);
    const [udp, tcp] = [portOf(sockets.udp), portOf(sockets.tcp)];
    expect(await presentRedirect(at)).not.toBe("");
    expect((await ns.exec("a", "nft", "list", "ruleset")).split(/\s*\n\s*/)).toEqual([
      `table ${family} eleven_dns_${address.replaceAll(/[.:]/g, "_")}_53 {`,
      "chain output {",
      "type nat hook output priority -100; policy accept;",
      `${family} daddr ${address} udp dport 53 dnat to ${host}:${udp}`,
      `${family} daddr ${address} tcp dport 53 dnat to ${host}:${tcp}`,
      "}",
      "chain postrouting {",
      "type nat hook postrouting priority srcnat; policy accept;",
      `${family} saddr ${address} udp sport ${udp} snat to ${host}:53`,
      `${family} saddr ${address} tcp sport ${tcp} snat to ${host}:53`,
      "}",
      "}",
    ]);
    await removeRedirect(at);
    expect(await ns.exec("a", "nft", "list", "ruleset")).toBe("");
    for (const fd of Object.values(sockets)) closeFd(fd);
  });

  test.each([
    ["a rule more", "nft insert rule ip T output counter"],
    ["a rule less", "nft flush chain ip T postrouting"],
    ["a chain more", "nft add chain ip T more"],
    ["a set more", "nft add set ip T more { type mark; }"],
    ["another policy", "nft add chain ip T output { policy drop; }"],
    ["a table that sleeps", "nft add table ip T { flags dormant; }"],
    ["no table", "nft delete table ip T"],
  ])("%s is seen", async (_, command) => {
    const at = { netns: ns.path("a"), address: "127.0.0.11", port: 53 };
    inNetns(at.netns, bringLoopbackUp);
    const udp = inNetns(at.netns, () => bindUdp("127.0.0.11", 0).fd);
    await installRedirect(at, { udp, tcp: udp });
    const before = await presentRedirect(at);
    await ns.exec("a", "nft", "add", "table", "ip", "other"); // nobody's concern
    expect(await presentRedirect(at)).toBe(before);
    expect(
      await ns.exec("a", "sh", "-c", `${command.replace("T", REDIRECT_TABLE).replace(/(\{.*\})/, "'$1'")} 2>&1`),
    ).toBe("");
    expect(await presentRedirect(at)).not.toBe(before);
    closeFd(udp);
  });

  test.each(TOOLS)("by %s", async (tool, [command, ...args], ours) => {
    await use(tool);
    const at = { netns: ns.path("a"), address: "127.0.0.11", port: 53 };
    const sockets = inNetns(at.netns, () => {
      bringLoopbackUp();
      return { udp: bindUdp("127.0.0.11", 0).fd, tcp: listenTcp("127.0.0.11", 0).fd };
    });
    const rules = async () => (await ns.exec("a", command, ...args)).match(ours) ?? [];
    await installRedirect(at, sockets);
    const notices: string[] = [];
    const kept = await keepRedirect(at, sockets, (notice) => notices.push(notice));
    expect(await rules()).toHaveLength(2);
    expect(await ns.exec("a", "dig", "@127.0.0.11", "+tcp", "+time=1", "+tries=1", "x")).toMatch(
      /timed out|no servers/,
    );
    await ns.exec("a", "nft", "add", "table", "ip", "other"); // of no concern
    await ns.exec("a", "sh", "-c", FLUSH); // and who looks is late, perhaps: it may be back by now
    await vi.waitFor(async () => expect(await rules()).toHaveLength(2), { timeout: 10_000, interval: 50 });
    await vi.waitFor(() => expect(notices).toHaveLength(1), { timeout: 10_000, interval: 50 });
    expect(notices).toEqual([expect.stringMatching(/somebody changed the redirect of port 53; put right/)]);
    await kept.remove();
    await removeRedirect(at);
    expect(await rules()).toEqual([]);
    for (const fd of Object.values(sockets)) closeFd(fd);
  });
});
