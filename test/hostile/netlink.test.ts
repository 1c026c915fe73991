/** What a container does to its own namespace while it is read. */
import { readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbTarget } from "../../src/lb-programmer/state.ts";
import { heldUp, hurry } from "../../src/os/held-up.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, Netlink } from "../../src/os/netlink/connection.ts";
import { forget, trackedBy } from "../../src/os/netlink/conntrack.ts";
import { nftGeneration, withNetfilter } from "../../src/os/netlink/nfnetlink.ts";
import { interfaceAddresses, localRoutes } from "../../src/os/netlink/rtnetlink.ts";
import { MessageWriter } from "../../src/os/netlink/write.ts";
import { inNetns } from "../../src/os/netns.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";

const CREATE = 0x600;

/** Transactions that take a second for 300 rules: each rule that looks into the map has the kernel look at all of it, with every one. */
const busy = (rules: number): string => `
  elements=$(for i in $(seq 0 49999); do echo -n "10.1.$((i / 256)).$((i % 256)) : jump t, "; done)
  (echo "table inet busy { chain t { accept; }; map m { type ipv4_addr : verdict; }; chain c { type filter hook forward priority 0;"
   for i in $(seq ${rules}); do echo "ip saddr vmap @m;"; done
   echo "}; }; add element inet busy m { $elements }") | nft -f -
  echo go
  while :; do nft add rule inet busy c ip saddr vmap @m; done`;

describe.skipIf(withoutNamespaces())("a container whose namespace is read", () => {
  const containers = new Containers();
  beforeAll(async () => {
    await containers.add("nl");
    await containers.ip("-n @nl link set lo up");
  });
  afterAll(() => containers.clean());
  const inside = <T>(work: () => T): T => inNetns(containers.path("nl"), work);
  /** In the attacker's place, but faster than a script. */
  const flood = (protocol: number, count: number, message: (to: MessageWriter, i: number) => void): void => {
    const netlink = inside(() => new Netlink(protocol));
    const to = new MessageWriter();
    for (let i = 0; i < count; i++) message(to, i);
    expect(netlink.execute("flood", to).filter((refusal) => refusal !== undefined)).toEqual([]);
    netlink.close();
  };

  test("fills its table of connections: reading it takes a second at most, a single address much less", () => {
    const address = (i: number) => `fd00::${(i >> 8).toString(16)}:1`;
    flood(NETLINK_NETFILTER, 30_000, (to, i) => {
      const tuple = (type: number, from: string, at: string, ports: readonly [number, number]) =>
        to.nested(type, () =>
          to
            .nested(1, () => to.address(3, from).address(4, at))
            .nested(2, () => to.u8(1, 17).be16(2, ports[0]).be16(3, ports[1])),
        );
      to.message(1 << 8, CREATE, [10, 0, 0, 0], () => {
        tuple(1, address(i), "fd00::2", [1_000 + (i & 255), 53]);
        tuple(2, "fd00::2", address(i), [53, 1_000 + (i & 255)]);
        to.be32(7, 600);
      });
    });
    const timed = (work: () => unknown): number => {
      const start = performance.now();
      work();
      return performance.now() - start;
    };
    const path = containers.path("nl");
    expect(timed(() => expect(trackedBy(path, "10.0.0.1")).toEqual([]))).toBeLessThan(1_000);
    expect(timed(() => expect(trackedBy(path, "fd00::3")).toEqual([]))).toBeLessThan(3_000);
    expect(timed(() => expect(trackedBy(path, "fd00::2").length).toBeGreaterThan(1_000))).toBeLessThan(3_000);
    expect(forget(path, new Set(["fd00::2"]), ({ to }) => to === "fd00::2")).toBeGreaterThan(1_000);
  });

  test("has transactions that take seconds, one after the other: a look takes one descriptor, and no thread of those that all share", async () => {
    await containers.add("busy");
    const attack = await containers.attacking("busy", busy(300));
    onTestFinished(() => attack.end());
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    let [most, longest] = [0, 0];
    for (const until = performance.now() + 6_000; performance.now() < until; ) {
      inNetns(containers.path("busy"), nftGeneration);
      const asked = performance.now();
      await stat("/"); // by one of those threads
      longest = Math.max(longest, performance.now() - asked);
      most = Math.max(most, descriptors());
      await new Promise((done) => setTimeout(done, 50));
    }
    expect(most - before).toBeLessThan(5);
    expect(longest).toBeLessThan(1_000);
  });

  test("makes a change of ours wait: it is given up once, and not tried again behind itself", async () => {
    await containers.add("late");
    const attack = await containers.attacking("late", busy(1_200));
    onTestFinished(() => attack.end());
    const netns = containers.path("late");
    const backend = new NftablesBackend();
    const target: LbTarget = { kind: "sandbox", id: "sandbox/late", sandbox: "late", netns };
    const weighing = (weight: number) =>
      parseState(`server web/mynet/4 10.0.1.4 mark 256 local rr\n  10.0.1.5 ${weight}`);
    let [there, weight] = [EMPTY, 1];
    heldUp.add(netns);
    onTestFinished(hurry()); // a second, not 15
    const error = await vi.waitFor(async () => {
      const began = performance.now();
      const desired = weighing(weight);
      const failed: Error = await backend.apply(target, diff(there, desired), desired).then(
        () => {
          [there, weight] = [desired, 3 - weight];
          throw new Error("it came between two of them");
        },
        (error) => error,
      );
      expect(performance.now() - began).toBeLessThan(1_900);
      return failed;
    }, 30_000);
    expect(error.message).toContain("take too long");
    backend.close();
  });

  test("so do others of its owner's, and have more than is read: sockets that wait to be closed are bounded, and neighbours are looked at", {
    timeout: 180_000,
  }, async () => {
    const attackers = ["busy1", "busy2", "busy3"];
    await containers.add(...attackers, "calm");
    for (const name of attackers) {
      const attack = await containers.attacking(name, busy(300));
      onTestFinished(() => attack.end());
    }
    const rules = new MessageWriter().message((10 << 8) | 7, 0, [1, 0, 0, 0], (to) => to.text(1, "busy"));
    const refused = new Set<string>();
    /** Of a list that is longer than is read, the rest stays in the socket. */
    const look = (name: string): void => {
      try {
        withNetfilter(containers.path(name), (netlink) =>
          netlink.dump("rules", rules, () => undefined, { most: 0, partly: true }),
        );
      } catch (error) {
        refused.add((error as Error).message);
      }
    };
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    let most = 0;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }); // connections linger for 1.5 s
    try {
      // How long a round takes is up to the attackers: a few are enough to have more than the bound.
      for (let i = 0, end = performance.now() + 15_000; i < 60 || (i < 200 && performance.now() < end); i++) {
        for (const name of attackers) look(name);
        expect(inNetns(containers.path("calm"), nftGeneration)).toBeGreaterThan(0);
        vi.advanceTimersByTime(2_000);
        await new Promise((done) => setImmediate(done));
        most = Math.max(most, descriptors());
      }
    } finally {
      vi.useRealTimers();
    }
    console.log(`${most - before} descriptors more; ${[...refused].join("; ")}`);
    expect(most - before).toBeLessThan(60);
    for (const message of refused) expect(message).toContain("still being closed");
  });

  test("has thirty thousand local routes: they are not taken in, and what is said about it is an error", () => {
    const route = (table: number) => (to: MessageWriter, i: number) =>
      to.message(24, CREATE, [2, 32, 0, 0, table, 3, 254, 2, 0, 0, 0, 0], () =>
        to.address(1, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`).u32(4, 1),
      );
    flood(NETLINK_ROUTE, 30_000, route(100)); // another table
    expect(inside(localRoutes)).toEqual([]);
    flood(NETLINK_ROUTE, 30_000, route(255));
    const seen = () => inside(localRoutes);
    try {
      expect(seen()).toEqual([]); // without a source
    } catch (error) {
      expect(error).toMatchObject({ name: "OsError", op: "routes", code: "E2BIG" });
    }
  });

  test("changes its addresses all the time: they are read anyway, or that is said; nothing waits", async () => {
    flood(NETLINK_ROUTE, 1_000, (to, i) =>
      to.message(20, CREATE, [2, 32, 0, 0, 1, 0, 0, 0], () => to.address(2, `10.6.${i >> 8}.${i & 255}`)),
    );
    const lines = Array.from(
      { length: 200 },
      (_, i) => `addr add 10.7.0.${i}/32 dev lo\naddr del 10.7.0.${i}/32 dev lo`,
    );
    await containers.attacking(
      "nl",
      `echo; while true; do ip -force -batch - <<< "${lines.join("\n")}" >/dev/null 2>&1 || true; done`,
    );
    const outcomes = Array.from({ length: 50 }, () => {
      try {
        return inside(interfaceAddresses).filter((a) => a.address.startsWith("10.6.")).length;
      } catch (error) {
        return (error as Error).message;
      }
    });
    const interrupted = "addresses: EINTR (it changed during each of 5 reads)";
    expect(outcomes.every((outcome) => outcome === 1_000 || outcome === interrupted)).toBe(true);
  });
});
