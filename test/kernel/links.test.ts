/** Namespaces, interfaces and routes made without `ip`, which lists them as if it had made them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { fetchFrom, killWeb, startWeb } from "../../src/demo/http.ts";
import { OsError } from "../../src/os/error.ts";
import { addDefaultRoute, addLink, bringUp, type NewLink } from "../../src/os/netlink/links.ts";
import { addAddress } from "../../src/os/netlink/rtnetlink.ts";
import { inNetns } from "../../src/os/netns.ts";
import { makeNetns, removeNetns } from "../../src/os/new-netns.ts";
import { privileged } from "./namespaces.ts";

type Place = "a" | "b" | "c" | "d";
const PLACES: readonly Place[] = ["a", "b", "c", "d"];

const nameOf = (short: string) => `e11-${process.pid}-links-${short}`;
const pathOf = (short: string) => `/run/netns/${nameOf(short)}`;
const here = () => readlinkSync("/proc/thread-self/ns/net");
const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: "utf8" });
/** What `ip -j` lists. */
const ip = (short: string, ...words: string[]): Record<string, unknown>[] =>
  JSON.parse(run("ip", "-n", nameOf(short), "-d", "-j", ...words) || "[]");

/** An interface without what differs from each to the next, or from moment to moment. */
function plain({ ifname, flags, master, addr_info, linkinfo }: Record<string, unknown>) {
  const addresses = (addr_info as Record<string, unknown>[]).filter(({ family }) => family === "inet");
  const { info_kind, info_slave_kind } = (linkinfo ?? {}) as Record<string, unknown>;
  const ups = (flags as string[]).filter((flag) => flag !== "NO-CARRIER" && flag !== "LOWER_UP");
  return { ifname, ups, master, addresses, info_kind, info_slave_kind };
}

describe.skipIf(!privileged())("without ip", () => {
  beforeEach(() => {
    for (const place of PLACES) makeNetns(pathOf(place));
    return () => {
      for (const place of PLACES) removeNetns(pathOf(place));
    };
  });

  test("a namespace is as `ip netns add` makes it, and this thread is where it was", () => {
    const before = here();
    const list = () => run("ip", "netns", "list").match(/^\S+/gm) ?? [];
    makeNetns(pathOf("ours"));
    expect(here()).toBe(before);
    run("ip", "netns", "add", nameOf("theirs"));
    expect(list()).toEqual(expect.arrayContaining([nameOf("ours"), nameOf("theirs")]));
    expect(ip("ours", "address")).toEqual(ip("theirs", "address"));
    expect(inNetns(pathOf("ours"), here)).not.toBe(inNetns(pathOf("theirs"), here));
    expect([removeNetns(pathOf("ours")), removeNetns(pathOf("ours"))]).toEqual([true, false]);
    expect(removeNetns(pathOf("theirs"))).toBe(true);
    expect(list()).not.toEqual(expect.arrayContaining([nameOf("ours"), nameOf("theirs")]));
  });

  test("a folder's namespaces are common to all who have it, and it is mounted once", () => {
    const folder = mkdtempSync(join(tmpdir(), "e11-links-"));
    const mounts = () =>
      readFileSync("/proc/thread-self/mountinfo", "latin1")
        .split("\n")
        .filter((line) => line.split(" ")[4] === folder);
    for (const name of ["x", "y"]) makeNetns(join(folder, name));
    expect(mounts()).toEqual([expect.stringMatching(/ shared:\d+ /)]);
    for (const name of ["x", "y"]) removeNetns(join(folder, name));
    expect(readdirSync(folder)).toEqual([]);
    run("umount", folder);
    rmdirSync(folder);
  });

  test("what somebody left half made is removed: a file on which nothing is mounted", () => {
    writeFileSync(pathOf("half"), "");
    expect([removeNetns(pathOf("half")), removeNetns(pathOf("half"))]).toEqual([true, false]);
  });

  test("a bridge, a veth on it whose peer is elsewhere, addresses and a way out: as ip makes them, and packets pass", async () => {
    inNetns(pathOf("a"), () => {
      addLink({ kind: "bridge", name: "br0" });
      addLink({ kind: "veth", name: "p1", bridge: "br0", peer: { name: "eth0", netns: pathOf("b") } });
      addLink({ kind: "veth", name: "p2", peer: { name: "eth1", netns: pathOf("b") } });
      addAddress({ address: "10.0.0.1", prefix: 24, device: "br0" });
    });
    inNetns(pathOf("b"), () => {
      for (const device of ["eth0", "eth1"]) bringUp(device);
      addAddress({ address: "10.0.0.2", prefix: 24, device: "eth0" });
      addDefaultRoute("10.0.0.1");
    });
    const theirs = {
      c: [
        "link add br0 up type bridge",
        `link add p1 master br0 up type veth peer name eth0 netns ${nameOf("d")}`,
        `link add p2 up type veth peer name eth1 netns ${nameOf("d")}`,
        "addr add 10.0.0.1/24 dev br0",
      ],
      d: ["link set eth0 up", "link set eth1 up", "addr add 10.0.0.2/24 dev eth0", "route add default via 10.0.0.1"],
    };
    for (const [place, lines] of Object.entries(theirs))
      execFileSync("ip", ["-n", nameOf(place), "-batch", "-"], { input: `${lines.join("\n")}\n` });
    for (const [ours, their] of [
      ["a", "c"],
      ["b", "d"],
    ] as const) {
      expect(ip(ours, "address").map(plain)).toEqual(ip(their, "address").map(plain));
      expect(ip(ours, "route")).toEqual(ip(their, "route"));
    }
    const web = await startWeb(pathOf("a"), "a");
    expect(await fetchFrom(pathOf("b"), "10.0.0.1", 80)).toBe("a");
    killWeb(web);
  });

  const veth = (name: string, peer: string, more: { readonly bridge?: string } = {}): NewLink => ({
    kind: "veth",
    name,
    peer: { name: peer, netns: pathOf("b") },
    ...more,
  });
  test.each<[what: string, work: () => void, message: string | RegExp]>([
    ["a name that is taken", () => addLink({ kind: "bridge", name: "br0" }), "bridge add br0: EEXIST"],
    ["a peer's name that is taken", () => addLink(veth("p2", "eth0")), "veth add p2: EEXIST"],
    [
      "a name of 16 octets",
      () => addLink({ kind: "bridge", name: "a-name-of-16-oct" }),
      /^bridge add a-name-of-16-oct: (ERANGE|EINVAL)/,
    ],
    ["a name with a slash", () => addLink({ kind: "bridge", name: "a/b" }), "bridge add a/b: EINVAL"],
    [
      "a port of a bridge that is not there",
      () => addLink(veth("p2", "eth1", { bridge: "br1" })),
      "veth add p2: ENODEV (there is no bridge br1)",
    ],
    ["a port of what is no bridge", () => addLink(veth("p2", "eth1", { bridge: "p1" })), "veth add p2: EOPNOTSUPP"],
    [
      "a peer in no namespace",
      () => addLink({ kind: "veth", name: "p2", peer: { name: "eth0", netns: "/run/netns/none" } }),
      "open namespace /run/netns/none: ENOENT (there is no such namespace)",
    ],
    [
      "a kind that this kernel does not know",
      () => addLink({ kind: "eleven", name: "e0" } as never),
      "eleven add e0: EOPNOTSUPP (Unknown device type)",
    ],
    ["up, what is not there", () => bringUp("none"), "link up none: ENODEV"],
    [
      "a gateway nowhere",
      () => addDefaultRoute("10.9.0.1"),
      /^route add default via 10\.9\.0\.1: ENETUNREACH( \(Nexthop has invalid gateway\))?$/,
    ],
    ["a second way out", () => addDefaultRoute("10.0.0.3"), "route add default via 10.0.0.3: EEXIST"],
    ["a namespace at a path that is taken", () => makeNetns(pathOf("b")), /^make namespace .*-links-b: EEXIST$/],
    ["a namespace in no folder", () => makeNetns("/proc/none/x"), "make namespace /proc/none: ENOENT"],
  ])("%s: refused, and told so", (_, work, message) => {
    inNetns(pathOf("a"), () => {
      addLink({ kind: "bridge", name: "br0" });
      addLink(veth("p1", "eth0", { bridge: "br0" }));
      addAddress({ address: "10.0.0.1", prefix: 24, device: "br0" });
      addDefaultRoute("10.0.0.2");
      let thrown: unknown;
      try {
        work();
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(OsError);
      expect((thrown as OsError).message).toMatch(message);
    });
  });
});
