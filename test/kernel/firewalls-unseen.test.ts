/** Firewalls that can't be looked at, too large or never the same for as long as it takes: ports are published all the same, and it is said. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { nftGeneration } from "../../src/os/netlink/nfnetlink.ts";
import { inNetns } from "../../src/os/netns.ts";
import { forwardChains } from "../../src/os/nftables/forward.ts";
import { become } from "../../src/testing/subject.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const BASE = "type filter hook forward priority 0; policy";
const STATE = parseState("published tcp 8080 to 172.30.0.3 8080 over gw");
/** More than 16 MiB. */
const TOO_MANY = 4_000;
const WHY = {
  large: "nftables chains: E2BIG (too long, or too slow to read)",
  restless: "nftables chains: EINTR (it changed during each of 5 reads)",
};

describe.skipIf(!privileged())("a firewall that can't be looked at", () => {
  let host: Namespace;
  let backend: NftablesBackend;
  let target: LbTarget;
  beforeEach(async () => {
    host = await freshNamespace("unseen");
    backend = new NftablesBackend();
    target = { kind: "host", id: "host", bridge: "gw", to4: "172.30.0.3", netns: host.path };
    await host.run("ip", "link", "add", "gw", "type", "bridge");
  });
  afterEach(async () => {
    backend.close();
    await host.remove();
  });

  const nft = async (input: string): Promise<void> => {
    const { status, stderr } = await exec("nft", ["-f", "-"], { netns: host.path, input });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  };

  /** As many rules as large as the kernel takes them, 5 KB each; they drop nothing of ours. Few enough of them in each transaction. */
  async function fill(chain: string, rules: number): Promise<void> {
    for (let left = rules; left > 0; left -= 400)
      await nft(`add rule ${chain} ${"meta mark 1 ".repeat(60)} drop\n`.repeat(Math.min(left, 400)));
  }

  /** Changes the rules of a table of its own until the end of the test, as fast as it goes. */
  async function restless(): Promise<void> {
    const flood = `echo go; exec nft -i > /dev/null < <(while echo "add table inet t; delete table inet t"; do :; done)`;
    const child = spawn("ip", ["netns", "exec", host.name, "bash", "-c", flood], {
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    onTestFinished(() => void process.kill(-child.pid!, "SIGKILL"));
    await once(child.stdout, "data");
    const generation = () => inNetns(host.path, nftGeneration);
    const before = generation()!;
    await vi.waitFor(() => expect(generation()).toBeGreaterThan(before + 100), { timeout: 10_000, interval: 10 });
  }

  const published = () => host.run("nft", "list", "table", "inet", "eleven");

  test("too many rules: the ports are published, and others' chains are looked at", async () => {
    await nft(`table inet large { chain c { ${BASE} accept; }; }; table ip other { chain d { ${BASE} drop; }; }`);
    await fill("inet large c", TOO_MANY);
    await become({ backend, target, close: async () => {} }, STATE);
    expect(await published()).toContain("8080");
    const said = [
      "published port 8080/tcp (IPv4): dropped by nftables chain ip other d (policy drop); to allow it: nft insert rule ip other d ct status dnat accept",
      `whether nftables chain inet large c drops published ports could not be looked at: ${WHY.large}`,
    ];
    const blocked = backend.blocked(target)!.split(/(?<=accept|read\)); /);
    expect(blocked.toSorted()).toEqual(said.toSorted());
    expect((await backend.read(target, [])).published).toEqual(STATE.published);

    await nft("delete table inet large; delete table ip other");
    await backend.read(target, []);
    expect(backend.blocked(target)).toBe(undefined);
  });

  test("rules that change all the time: the ports are published", { timeout: 60_000 }, async () => {
    await nft(`table inet large { chain c { ${BASE} accept; }; }`);
    await fill("inet large c", 400);
    await restless();
    const said = new Set<string | undefined>();
    const publishing = async () => {
      await become({ backend, target, close: async () => {} }, STATE);
      expect(await published()).toContain("8080");
      said.add(backend.blocked(target));
      expect([...said].join()).toContain(`could not be looked at: ${WHY.restless}`); // on a busy machine it may rest for once
    };
    await vi.waitFor(publishing, { timeout: 30_000, interval: 10 });
  });

  test("a chain of iptables' that is too large: published connections are accepted in it, and nothing is left to say", async () => {
    await host.run("iptables-nft", "-P", "FORWARD", "DROP");
    await nft("add chain ip filter large");
    await fill("ip filter large", TOO_MANY);
    await become({ backend, target, close: async () => {} }, STATE);
    expect(await host.run("iptables-nft", "-S", "FORWARD")).toContain("-A FORWARD -j ELEVEN-FORWARD");
    expect(backend.blocked(target)).toBe(undefined);
  });

  test("more chains than are read: those of iptables' are found by their name", async () => {
    await nft(
      `table ip filter { chain FORWARD { ${BASE} drop; counter; }; }; table inet f { chain c { ${BASE} drop; }; }`,
    );
    expect(forwardChains(host.path, "eleven", { most: 50 })).toEqual({
      unseen: WHY.large,
      chains: [
        {
          family: "ip",
          table: "filter",
          name: "FORWARD",
          policy: "drop",
          rules: new Map(),
          sets: new Map(),
          unseen: WHY.large,
        },
      ],
    });
  });
});
