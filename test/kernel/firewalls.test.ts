/** Beside other firewalls: what they drop is seen, said, and let through where that is ours to do; with the rules that the real ones write. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { inTheWay } from "../../src/lb-programmer/backends/common/passage.ts";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import type { LbTarget, PublishedPort } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { forwardChains } from "../../src/os/nftables/forward.ts";
import { become } from "../../src/testing/subject.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { FIREWALLS } from "./firewalls.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";
import { Swarm } from "./swarm.ts";
import { names } from "./traffic.ts";
import { HOST, makeWorld, type World } from "./world.ts";

const PORT: PublishedPort = { protocol: "tcp", port: 8080, to: "172.30.0.3", toPort: 80, bridge: "gw" };
const BASE = "type filter hook forward priority 0; policy";

/** A table of nft's; how it drops our connections, undefined if it does not, or may not. */
const CHAINS: readonly (readonly [name: string, table: string, how: string | undefined])[] = [
  ["an empty chain", `table inet f { chain c { ${BASE} accept; }; }`, undefined],
  ["a policy", `table inet f { chain c { ${BASE} drop; }; }`, "inet f c (policy drop)"],
  ["a policy of a table that sleeps", `table inet f { flags dormant; chain c { ${BASE} drop; }; }`, undefined],
  ["a policy of the other family", `table ip6 f { chain c { ${BASE} drop; }; }`, undefined],
  ["another hook", "table inet f { chain c { type filter hook input priority 0; policy drop; }; }", undefined],
  ["translated connections", `table inet f { chain c { ${BASE} drop; ct status dnat accept; }; }`, undefined],
  [
    "established only",
    `table inet f { chain c { ${BASE} drop; ct state established,related accept; }; }`,
    "inet f c (policy drop)",
  ],
  [
    "so, as a set",
    `table inet f { chain c { ${BASE} drop; ct state { established, related } accept; }; }`,
    "inet f c (policy drop)",
  ],
  [
    "so, as a map",
    `table inet f { chain c { ${BASE} drop; ct state vmap { established : accept, invalid : drop }; }; }`,
    "inet f c (policy drop)",
  ],
  [
    "a map for new ones",
    `table inet f { chain c { ${BASE} drop; ct state vmap { new : accept, invalid : drop }; }; }`,
    undefined,
  ],
  ["out by the bridge", `table inet f { chain c { ${BASE} drop; oifname "gw" accept; }; }`, undefined],
  ["out by a bridge of some name", `table inet f { chain c { ${BASE} drop; oifname "g*" accept; }; }`, undefined],
  ["out by another", `table inet f { chain c { ${BASE} drop; oifname "eth1" accept; }; }`, "inet f c (policy drop)"],
  ["out by all but another", `table inet f { chain c { ${BASE} drop; oifname != "eth1" accept; }; }`, undefined],
  ["in from somewhere", `table inet f { chain c { ${BASE} drop; iifname "eth0" accept; }; }`, undefined],
  [
    "in from loopback",
    `table inet f { chain c { ${BASE} drop; iifname "lo" accept; iif "lo" accept; }; }`,
    "inet f c (policy drop)",
  ],
  [
    "to its address and port",
    `table inet f { chain c { ${BASE} drop; ip daddr 172.30.0.0/16 tcp dport 80 accept; }; }`,
    undefined,
  ],
  ["to its range", `table ip f { chain c { ${BASE} drop; ip daddr 172.30.0.0/23 accept; }; }`, undefined],
  [
    "to another address",
    `table inet f { chain c { ${BASE} drop; ip daddr 172.31.0.0/16 accept; }; }`,
    "inet f c (policy drop)",
  ],
  ["to a range of ports", `table inet f { chain c { ${BASE} drop; tcp dport 1-1023 accept; }; }`, undefined],
  [
    "to another port",
    `table inet f { chain c { ${BASE} drop; tcp dport { 22, 443 } accept; }; }`,
    "inet f c (policy drop)",
  ],
  [
    "to the port on the host",
    `table inet f { chain c { ${BASE} drop; tcp dport 8080 accept; }; }`,
    "inet f c (policy drop)",
  ],
  ["UDP", `table inet f { chain c { ${BASE} drop; meta l4proto udp accept; }; }`, "inet f c (policy drop)"],
  ["IPv6", `table inet f { chain c { ${BASE} drop; meta nfproto ipv6 accept; }; }`, "inet f c (policy drop)"],
  ["a rule", `table inet f { chain c { ${BASE} accept; counter drop; }; }`, "inet f c (rule with handle 2 of chain c)"],
  [
    "a rule that rejects",
    `table ip f { chain c { ${BASE} accept; ct state new reject; }; }`,
    "ip f c (rule with handle 2 of chain c)",
  ],
  ["a rule against one", `table inet f { chain c { ${BASE} accept; ip saddr 192.0.2.9 drop; }; }`, undefined],
  [
    "a rule against many at a time",
    `table inet f { chain c { ${BASE} accept; limit rate over 9/second drop; }; }`,
    undefined,
  ],
  [
    "in a chain of its own",
    `table inet f { chain d { ct state established accept; drop; }; chain c { ${BASE} accept; tcp dport 80 jump d; }; }`,
    "inet f c (rule with handle 4 of chain d)",
  ],
  [
    "in a chain that is for others",
    `table inet f { chain d { drop; }; chain c { ${BASE} accept; tcp dport 81 jump d; }; }`,
    undefined,
  ],
  [
    "in a chain that is for some",
    `table inet f { chain d { drop; }; chain c { ${BASE} accept; iifname "x" jump d; }; }`,
    undefined,
  ],
  [
    "back from a chain",
    `table inet f { chain d { return; drop; }; chain c { ${BASE} drop; jump d; accept; }; }`,
    undefined,
  ],
  // A map's verdicts used to count only where they were accepts.
  [
    "in a chain for one interface",
    `table inet f { chain d { ct status dnat accept; }; chain c { ${BASE} drop; iifname vmap { "e0" : jump d, "e1" : drop }; }; }`,
    undefined,
  ],
  [
    "in a chain for one interface that is for others",
    `table inet f { chain d { tcp dport 81 accept; }; chain c { ${BASE} drop; iifname vmap { "e0" : jump d, "e1" : drop }; }; }`,
    "inet f c (policy drop)",
  ],
  [
    "in a map of some name, which is another a moment later",
    `table inet f { map m { type ifname : verdict; }; chain c { ${BASE} drop; iifname vmap @m; }; }`,
    undefined,
  ],
  [
    "in a set of some name, as a rule that drops",
    `table inet f { set s { type ifname; }; chain c { ${BASE} accept; oifname @s drop; }; }`,
    undefined,
  ],
  // What is not understood was taken for what the register had held before.
  [
    "what routes say of it",
    `table inet f { chain c { ${BASE} drop; meta l4proto tcp fib daddr type unicast accept; }; }`,
    undefined,
  ],
  [
    "every other one",
    `table inet f { chain c { ${BASE} drop; meta l4proto tcp numgen inc mod 2 0 accept; }; }`,
    undefined,
  ],
  [
    "and not back",
    `table inet f { chain d { tcp dport 81 accept; }; chain c { ${BASE} drop; goto d; accept; }; }`,
    "inet f c (policy drop)",
  ],
];

describe.skipIf(!privileged())("a chain of others", () => {
  let namespace: Namespace;
  beforeEach(async () => {
    namespace = await freshNamespace("fw");
  });
  afterEach(() => namespace.remove());

  test.each(CHAINS)("%s", async (_, table, how) => {
    await namespace.run("nft", table);
    const place = how?.split(" (")[0];
    expect(inTheWay(forwardChains(namespace.path, "eleven"), [PORT])).toBe(
      how &&
        `published port 8080/tcp (IPv4): dropped by nftables chain ${how}; to allow it: nft insert rule ${place} ct status dnat accept`,
    );
  });

  test("where there is no firewall, nothing is run, and no table of iptables' comes to be", async () => {
    const backend = new NftablesBackend();
    const target: LbTarget = { kind: "host", id: "host", bridge: "gw", to4: PORT.to, netns: namespace.path };
    const state = parseState("published tcp 8080 to 172.30.0.3 8080 over gw");
    await become({ backend, target, close: async () => {} }, state);
    expect(await namespace.run("nft", "list", "tables")).toBe("table inet eleven\n");
    expect(await namespace.run("cat", "/proc/net/ip_tables_names")).toBe("");
    await backend.clear(target);
    expect(await namespace.run("nft", "list", "tables")).toBe("");
    backend.close();
  });
});

describe.skipIf(!privileged())("side by side", () => {
  let world: World;
  let backend: NftablesBackend;
  let swarm: Swarm;
  beforeAll(async () => {
    world = await makeWorld();
    backend = new NftablesBackend();
    swarm = new Swarm(world, backend, "network");
  });
  afterAll(async () => {
    backend?.close();
    await world?.close();
  });
  beforeEach(() => swarm.reset());

  const asked = async (family: 4 | 6) =>
    names(await world.peers["outside"]!.ask(HOST[family], 8080, { protocol: "tcp", count: 6 }));
  const TASKS = ["t1", "t2", "t3"];

  async function publish(): Promise<void> {
    swarm.service("web", { ports: [{ protocol: "tcp", target: 80, published: 8080, mode: "ingress" }] });
    for (const task of ["t1", "t2", "t3"] as const) swarm.task(task, "web");
    await swarm.settle();
  }

  describe.each(FIREWALLS)("$name", ({ start, drops, allows }) => {
    test.each([
      ["it is there first", true],
      ["it comes later", false],
    ])("%s", async (_, first) => {
      const host = world.namespaces["host"]!;
      if (!first) await publish();
      const stop = await start(host);
      try {
        expect(
          drops(await exec("sh", ["-c", "nft list ruleset; iptables-legacy-save; iptables -S"], { netns: host.path })),
        ).toBe(true);
        await (first ? publish() : swarm.settle());
        if (allows !== undefined) {
          const blocked = backend.blocked(swarm.target("host"));
          expect(blocked).toContain(allows);
          await host.run(
            "sh",
            "-c",
            blocked!
              .split("; to allow it: ")
              .slice(1)
              .map((words) => words.split("; ")[0])
              .join("; "),
          );
          await swarm.settle();
        }
        expect(backend.blocked(swarm.target("host"))).toBe(undefined);
        for (const family of [4, 6] as const) expect(await asked(family), `IPv${family}`).toEqual(TASKS);
        await backend.clear(swarm.target("host"));
        expect(await host.run("sh", "-c", "iptables-save; ip6tables-save; iptables-legacy-save")).not.toContain(
          "ELEVEN",
        );
      } finally {
        await stop();
        const flush = [
          "nft flush ruleset",
          ...["iptables-legacy", "ip6tables-legacy"].flatMap((t) => [`${t} -P FORWARD ACCEPT`, `${t} -F`, `${t} -X`]),
        ];
        await host.run("sh", "-c", flush.join("; "));
      }
    });
  });
});
