/** Kernel settings are left as they were found, whatever happens in between. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { LbError } from "../../src/lb-programmer/backends/backend.ts";
import { type Access, Found } from "../../src/lb-programmer/backends/common/found.ts";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbState, type LbTarget } from "../../src/lb-programmer/state.ts";
import { StateDir } from "../../src/os/state-dir.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const FORWARD = "net/ipv4/ip_forward";
const FORWARD6 = "net/ipv6/conf/all/forwarding";
const REDIRECTS = "net/ipv4/conf/dev0/send_redirects";
const RATEMASK = "net/ipv6/icmp/ratemask";
const TCP = "net/netfilter/nf_conntrack_tcp_timeout_established";

/** "key=value …" before us, then what we set (in turns), what somebody sets while we are there, and what is left. */
const ROWS: readonly (readonly [
  name: string,
  before: string,
  ours: readonly string[],
  meanwhile: string,
  left: string,
])[] = [
  ["what we set", `${TCP}=500 ${REDIRECTS}=1`, [`${TCP}=60 ${REDIRECTS}=0`], "", `${TCP}=500 ${REDIRECTS}=1`],
  ["set twice: as it was before the first", `${TCP}=500`, [`${TCP}=60`, `${TCP}=70`], "", `${TCP}=500`],
  ["it was so already", `${FORWARD}=1`, [`${FORWARD}=1`], "", `${FORWARD}=1`],
  ["it was so already, and somebody changes it", `${TCP}=60`, [`${TCP}=60`], `${TCP}=70`, `${TCP}=70`],
  ["somebody changed it meanwhile", `${TCP}=500`, [`${TCP}=60`], `${TCP}=90`, `${TCP}=90`],
  ["somebody put it back meanwhile", `${TCP}=500`, [`${TCP}=60`], `${TCP}=500`, `${TCP}=500`],
  ["we repaired it meanwhile", `${TCP}=500`, [`${TCP}=60`, `${TCP}=61`, `${TCP}=60`], "", `${TCP}=500`],
  ["forwarding", `${FORWARD}=0 ${FORWARD6}=0`, [`${FORWARD}=1 ${FORWARD6}=1`], "", `${FORWARD}=0 ${FORWARD6}=0`],
  [
    "an interface that forwarded by itself, and a host that takes no redirects",
    "net/ipv4/conf/dev0/forwarding=1 net/ipv6/conf/dev0/forwarding=1 net/ipv4/conf/all/accept_redirects=0",
    [`${FORWARD}=1 ${FORWARD6}=1`],
    "",
    `${FORWARD}=0 ${FORWARD6}=0 net/ipv4/conf/dev0/forwarding=1 net/ipv6/conf/dev0/forwarding=1 net/ipv4/conf/lo/forwarding=0 net/ipv4/conf/all/accept_redirects=0`,
  ],
  ["a list", `${RATEMASK}=0-1,3-127`, [`${RATEMASK}=0,3-127`], "", `${RATEMASK}=0-1,3-127`],
  ["one that this kernel does not have", "", ["net/ipv4/no_such_thing=1"], "", ""],
];

const parse = (text: string): Map<string, string> =>
  new Map(text.split(" ").flatMap((word) => (word === "" ? [] : [word.split("=") as [string, string]])));

describe.skipIf(!privileged())("settings", () => {
  let namespace: Namespace;
  let target: LbTarget;
  let folder: string;
  /** As a process that starts, after whatever end of the last one. */
  const start = () => new Found(new StateDir(folder), (problem) => said.push(problem));
  let said: string[];

  beforeEach(async () => {
    said = [];
    folder = mkdtempSync(join(tmpdir(), "eleven-state-"));
    namespace = await freshNamespace("found");
    target = { kind: "network", id: "network/found", network: "found", device: "dev0", netns: namespace.path };
    await namespace.run("ip", "link", "add", "dev0", "up", "type", "bridge");
    await namespace.run("nft", "add table ip t; add chain ip t c; add rule ip t c ct state new"); // conntrack is there
  });
  afterEach(() => namespace.remove());

  async function set(text: string): Promise<void> {
    for (const [key, value] of parse(text)) await namespace.run("sh", "-c", `echo ${value} > /proc/sys/${key}`);
  }
  async function expectLeft(text: string): Promise<void> {
    const keys = [...parse(text).keys()];
    const values = await Promise.all(keys.map((key) => namespace.run("cat", `/proc/sys/${key}`)));
    expect(keys.map((key, i) => `${key}=${values[i]!.trim()}`).join(" ")).toBe(text);
  }
  const files = () => readdirSync(folder).filter((name) => name.startsWith("found."));

  describe.each([
    ["by one process", false],
    ["by one process after another", true],
  ])("%s", (_, restarted) => {
    test.each(ROWS)("%s", async (_, before, ours, meanwhile, left) => {
      await set(before);
      let found = start();
      for (const text of ours) {
        if (text.includes("no_such")) expect(() => found.set(target, parse(text))).toThrow(LbError);
        else found.set(target, parse(text));
        if (restarted) found = start();
      }
      await expectLeft(ours.at(-1)!.includes("no_such") ? "" : ours.at(-1)!);
      await set(meanwhile);
      found.putBack(target);
      await expectLeft(left);
      expect(files()).toEqual([]);
      found.putBack(target); // nothing is left to do
      await expectLeft(left);
    });
  });

  test.each(["dé0", "d(0)", "d\u00010"])("an interface may be called %j", async (name) => {
    await namespace.run("ip", "link", "add", name, "up", "type", "bridge");
    await set(`${FORWARD}=0`);
    await namespace.run("sh", "-c", `echo 1 > '/proc/sys/net/ipv4/conf/${name}/forwarding'`);
    start().set(target, parse(`${FORWARD}=1`));
    start().putBack(target);
    await expectLeft(`${FORWARD}=0`);
    expect(await namespace.run("cat", `/proc/sys/net/ipv4/conf/${name}/forwarding`)).toBe("1\n");
  });

  test("what could not be written is written once it can be, and known to the next process", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    writeFileSync(join(folder, "full"), "a file where the directory should be");
    folder = join(folder, "full", "state");
    const before = (await namespace.run("cat", `/proc/sys/${TCP}`)).trim();
    start().set(target, parse(`${TCP}=60`));
    await expectLeft(`${TCP}=60`);
    expect(said.join()).toContain("ENOTDIR");
    rmSync(dirname(folder));
    vi.advanceTimersByTime(5_000);
    expect(files()).toHaveLength(1);
    start().putBack(target);
    await expectLeft(`${TCP}=${before}`);
  });

  test("the backend puts back what its plans had set, when it is cleared", async () => {
    const state: LbState = { ...EMPTY, sysctls: { [FORWARD]: "1", [REDIRECTS]: "0", [TCP]: "77" } };
    await set(`${FORWARD}=0 ${REDIRECTS}=1 ${TCP}=500`);
    const first = new NftablesBackend({ found: start() });
    await first.apply(target, diff(await first.read(target, Object.keys(state.sysctls)), state), state);
    await expectLeft(`${FORWARD}=1 ${REDIRECTS}=0 ${TCP}=77`);
    const second = new NftablesBackend({ found: start() });
    await second.clear(target);
    await expectLeft(`${FORWARD}=0 ${REDIRECTS}=1 ${TCP}=500`);
    for (const backend of [first, second]) backend.close();
  });

  test("one that can't be set is said when the rules are there: nothing is at work any more", async () => {
    const text = "server web/mynet/4 10.0.1.4 mark 256 arriving rr\n10.0.1.5 1\nsysctl net/ipv4/no_such_thing 1";
    const state = parseState(text);
    const backend = new NftablesBackend({ found: start() });
    onTestFinished(() => backend.close());
    const applied = backend.apply(target, diff(await backend.read(target, []), state), state);
    await expect(applied).rejects.toThrow("net/ipv4/no_such_thing");
    expect((await backend.read(target, [])).servers).toEqual(state.servers);
  });

  test("what only another backend can set is remembered for that one, if this one comes in between", async () => {
    const timeouts = new Map([["ipvs/tcp", "900"]]);
    const other: Access = {
      read: (_, keys) => Object.fromEntries(keys.flatMap((key) => [[key, timeouts.get(key)!]])),
      write: (_, values) => values.forEach((value, key) => void timeouts.set(key, value)),
    };
    await set(`${TCP}=500`);
    start().set(target, parse("ipvs/tcp=60"), other);
    start().set(target, parse(`${TCP}=60`));
    start().putBack(target); // nftables' own settings
    await expectLeft(`${TCP}=500`);
    expect(timeouts.get("ipvs/tcp")).toBe("60");
    start().putBack(target, other);
    expect(timeouts.get("ipvs/tcp")).toBe("900");
    expect(files()).toEqual([]);
  });

  test("a namespace that is gone is forgotten, and so is one of that name that is another", async () => {
    start().set(target, parse(`${TCP}=60`));
    expect(files()).toHaveLength(1);
    await namespace.remove();
    expect(() => start().set(target, parse(`${TCP}=60`))).toThrow("is gone");
    expect(files()).toEqual([]);
  });

  test.each([
    ["of another run of the machine", (text: string) => text.replace(/"boot":"./, '"boot":"x'), ""],
    ["that leads to a file", (text: string) => text.replace(TCP, "net/../../etc/passwd"), ""],
    ["with a value that is none", (text: string) => text.replace('"500"', '"; rm"'), ""],
    ["that is cut off", (text: string) => text.slice(0, 40), "damaged"],
  ])("a record %s is not believed", async (_, damage, problem) => {
    await set(`${TCP}=500`);
    start().set(target, parse(`${TCP}=60`));
    const file = join(folder, files()[0]!);
    writeFileSync(file, damage(readFileSync(file, "utf8")));
    start().putBack(target);
    await expectLeft(`${TCP}=60`);
    expect(said.join("\n")).toContain(problem);
    expect(files().filter((name) => !name.endsWith(".damaged"))).toEqual([]);
  });
});
