/** The redirect of port 53, with nft and where that fails with iptables: done twice it is there once, taken back it is gone. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { TOOL_FOLDERS } from "../../src/os/exec.ts";
import { bringLoopbackUp } from "../../src/os/link.ts";
import { inNetns } from "../../src/os/netns.ts";
import { bindUdp, closeFd, listenTcp } from "../../src/os/socket.ts";
import { keepRedirect } from "../../src/sandbox/keep-redirect.ts";
import { installRedirect, removeRedirect } from "../../src/sandbox/redirect.ts";
import { createOpenSockets } from "../../src/sandbox/sockets.ts";
import { have } from "./dig.ts";
import { Namespaces, withoutNamespaces } from "./namespaces.ts";

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
  /** For the other one, nft does not work. */
  const use = (tool: "nft" | "iptables"): void => {
    if (tool === "nft") return;
    const broken = mkdtempSync(join(tmpdir(), "eleven-"));
    writeFileSync(join(broken, "nft"), "#!/bin/sh\necho no such kernel >&2\nexit 1\n", { mode: 0o755 });
    TOOL_FOLDERS.unshift(broken);
    onTestFinished(() => void TOOL_FOLDERS.shift());
  };

  test.each(TOOLS)(
    "by %s, and left there by a process that was killed: whoever listens on the port is asked",
    async (tool, [command, ...args], ours) => {
      use(tool);
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

  test.each(TOOLS)("by %s", async (tool, [command, ...args], ours) => {
    use(tool);
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
