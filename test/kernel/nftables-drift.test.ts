/** What happens when somebody, or an end in the middle, leaves our table other than we wrote it. */
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { changesOf } from "../../src/lb-programmer/backends/inet-table/changes.ts";
import { SETS } from "../../src/lb-programmer/backends/inet-table/sets.ts";
import { transaction } from "../../src/lb-programmer/backends/inet-table/transaction.ts";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { SKELETON } from "../../src/lb-programmer/backends/nftables/skeleton.ts";
import { turning } from "../../src/lb-programmer/backends/nftables/turns.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { normal } from "../../src/lb-programmer/normal.ts";
import { EMPTY, type LbState, type LbTarget } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { NETLINK_NETFILTER, Netlink } from "../../src/os/netlink/connection.ts";
import { MessageWriter } from "../../src/os/netlink/write.ts";
import { inNetns } from "../../src/os/netns.ts";
import { NF_TABLES } from "../../src/os/nftables/message.ts";
import { changeText } from "../../src/os/nftables/text.ts";
import { parseState, stateText } from "../lb-programmer/state-text.ts";
import { tableOf } from "../support/nftables-table.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";
import { Peer } from "./peer.ts";

const STATE = parseState(`
  server web/mynet/4 10.0.1.4 mark 256 local rr
    10.0.1.5 1
    10.0.1.6 1
  server web/mynet/6 fd00:1::4 mark 257 local wrr affinity 60
    fd00:1::5 3
    fd00:1::6 1
  server pub/ingress/4 10.0.0.3 mark 258 published tcp/8080 rr keep-source
    10.0.0.4 1
  server none/mynet/4 10.0.1.20 mark 259 arriving rr keep-source
  address 10.0.1.4 lo
  snat 10.0.0.0/24 to 10.0.0.2
  redirect 10.0.0.4 tcp 8080 to 80
`);

const TASK = { address: "10.0.1.5", weight: 1 };

/** What somebody does to our table. */
const DAMAGE: readonly (readonly [string, string])[] = [
  ["everything is flushed", "flush ruleset"],
  ["our table is deleted", "delete table inet eleven"],
  ["our table is emptied of rules", "flush table inet eleven"],
  ["a server's rule is deleted", "flush chain inet eleven s-256"],
  ["a base chain is flushed", "flush chain inet eleven leaving"],
  ["a foreign rule in a base chain", "insert rule inet eleven leaving accept"],
  ["a foreign rule in a server's chain", "add rule inet eleven s-256 accept"],
  ["a VIP is deleted", "delete element inet eleven local4 { 10.0.1.4 }"],
  ["a task is deleted", "delete element inet eleven tasks4 { 256 . 10.0.1.6 }"],
  ["a slot is deleted", "delete element inet eleven slots4-1 { 262145 }"],
  ["a port is deleted", "delete element inet eleven ports4 { 6 . 8080 }"],
  ["a foreign VIP", "add element inet eleven local4 { 10.9.9.9 : accept }"],
  ["a foreign chain", "add chain inet eleven s-999"],
  ["a foreign set", "add set inet eleven c-999 { type ipv4_addr; }"],
  [
    "a table of that name by somebody else",
    "delete table inet eleven; add table inet eleven; add chain inet eleven leaving",
  ],
];

/** What somebody else writes instead of our table: its words, with this in the place of that. */
const EDITS: readonly (readonly [string, string | RegExp, string])[] = [
  ["the table sleeps", "add table inet eleven", "add table inet eleven { flags dormant; }"],
  ["another policy", "hook output priority -5; policy accept", "hook output priority -5; policy drop"],
  ["another priority", "hook output priority -105", "hook output priority -104"],
  ["another hook", "hook forward priority -5", "hook input priority -5"],
  ["another type", "refuse-leaving { type filter hook", "refuse-leaving { type route hook"],
  ["rules in another order", /(.*ct status dnat return)\n(.*ct direction reply return)/, "$2\n$1"],
  ["a rule less", /.*ct direction reply return\n/, ""],
  ["a rule twice", /(.*ct direction reply return\n)/, "$1$1"],
  ["a rule that does something else", "numgen inc mod 2 offset 262144", "numgen random mod 2 offset 262144"],
  ["a rule that looks elsewhere", "ip daddr vmap @local4", "ip daddr vmap @arriving4"],
  ["a rule of other protocols", /\{ tcp, udp, sctp \}( ip daddr vmap @local4)/, "{ tcp, udp, 133 }$1"],
  ["a rule with a counter", "dnat ip to 10.0.0.4", "counter dnat ip to 10.0.0.4"],
  ["connections that are not counted", "counter name s-258 ", ""],
  ["connections that count for another", "counter name s-258 ", "counter name s-256 "],
  ["packets that count for another", "10.0.1.4 : b-256", "10.0.1.4 : b-258"],
  ["packets that are not counted", /add element inet eleven bytes-local6 .*\n/, ""],
  ["packets that are counted the other way round", "ct direction original", "ct direction reply"],
  ["a counter more", "add counter inet eleven s-258\n", "$&add counter inet eleven x\n"],
  ["something else that counts", "add counter inet eleven s-258\n", "$&add quota inet eleven x { 5 mbytes }\n"],
  ["a rule with another comment", 'comment "pub/ingress/4"\n', 'comment "x"\n'],
  ["a rule without its comment", ' comment "pub/ingress/4"\n', "\n"],
  ["a rule with a limit in it", /(update @\S+ \{ ip6 saddr)/, "$1 limit rate 1/hour"],
  ["a rule that leads to a range", "dnat ip to 10.0.0.4", "dnat ip to 10.0.0.4-10.0.0.5"],
  ["a rule that picks ports itself", /(icmp type .* redirect)/, "meta l4proto tcp redirect to :80"],
  ["a set with other flags", "set inet eleven kept4 { type ipv4_addr;", "$& flags interval;"],
  ["a set with a timeout", "set inet eleven kept4 { type ipv4_addr;", "$& timeout 1h;"],
  ["a set with a size", "set inet eleven kept4 { type ipv4_addr;", "$& size 7;"],
  ["a set more", "add set inet eleven kept4", "add set inet eleven x { type ipv4_addr; }\n$&"],
  ["a set of ours without its rules", "add set inet eleven kept4", "add set inet eleven kept6 { type ipv6_addr; }\n$&"],
  ["clients are remembered for longer", "timeout 60s", "timeout 61s"],
  ["more clients are remembered", "size 65535", "size 65536"],
  ["an element's comment", "web/mynet/4", "web/other/4"],
  ["an element's value", "256 . 10.0.1.5 : 1,", "256 . 10.0.1.5 : 2,"],
  ["an element that leads elsewhere", "10.0.1.4 : goto s-256", "10.0.1.4 : goto s-258"],
  ["elements that count", "set inet eleven kept-tcp4 { type inet_service;", "$& counter;"],
];

describe.skipIf(!privileged())("nftables: drift", () => {
  let backend: NftablesBackend;
  let namespace: Namespace;
  let target: LbTarget;
  beforeEach(async () => {
    backend = new NftablesBackend({ chunk: 2 });
    namespace = await freshNamespace();
    target = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1", netns: namespace.path };
  });
  afterEach(async () => {
    backend.close();
    await namespace.remove();
  });

  const nft = (...words: string[]) => namespace.run("nft", ...words);
  async function become(state: LbState): Promise<void> {
    await backend.apply(target, diff(await backend.read(target, []), state), state);
  }
  async function expectState(state: LbState): Promise<void> {
    const actual = await backend.read(target, []);
    expect(stateText(actual)).toBe(stateText(state));
    expect(normal(actual)).toEqual(normal(state));
  }

  test.each(DAMAGE)("%s: seen, and repaired", async (_, command) => {
    await become(STATE);
    await expectState(STATE);
    await nft(command);
    expect((await backend.read(target, [])).servers).toEqual([]);
    await become(STATE);
    await expectState(STATE);
  });

  test("our own transactions are counted right: nobody else is suspected", async () => {
    let suspected = 0;
    await backend.read(target, []);
    const stop = backend.watch(target, () => void suspected++);
    const states = [STATE, { ...STATE, servers: STATE.servers.slice(1) }, EMPTY, STATE];
    for (const state of [...states, stay("10.0.1.5"), stay("10.0.1.7"), STATE]) await become(state);
    expect(suspected).toBe(0);
    stop();
  });

  async function write(text: string): Promise<void> {
    const input = `add table inet eleven\ndelete table inet eleven\n${text}`;
    expect(await exec("nft", ["-f", "-"], { netns: namespace.path, input })).toMatchObject({ status: 0, stderr: "" });
  }
  const TEXT = tableOf(STATE)
    .map((change) => `${changeText("eleven", change)}\n`)
    .join("");

  test("nft is told what we write: that is no drift", async () => {
    await write(TEXT);
    await expectState(STATE);
  });

  test("sets that are empty by now, and their rules, stay: that is no drift", async () => {
    await become(STATE);
    await become(EMPTY);
    await expectState(EMPTY);
    expect(await nft("list", "table", "inet", "eleven")).toMatch(/map local4 \{\s+type ipv4_addr : verdict\s+\}/);
    await become(STATE);
    await expectState(STATE);
  });

  test.each(EDITS)("%s: seen, and repaired", async (_, from, to) => {
    const edited = TEXT.replace(from, to);
    expect(edited).not.toBe(TEXT);
    await write(edited);
    expect(normal(await backend.read(target, []))).not.toEqual(normal(STATE));
    await become(STATE);
    await expectState(STATE);
  });

  test("sources of one family, as an earlier version left the other one open: repaired", async () => {
    target = { kind: "host", id: "host", bridge: "gw", netns: namespace.path };
    await namespace.run("ip", "link", "add", "gw", "type", "bridge");
    const state = parseState(`published tcp 80 to 10.0.0.2 80 over gw from 192.0.2.0/24
      published tcp 80 to fd00::2 80 over gw from nobody`);
    const text = tableOf(state).map((change) => `${changeText("eleven", change)}\n`);
    await write(text.filter((line) => !line.includes("sources6")).join(""));
    expect((await backend.read(target, [])).published).toEqual([]);
    await become(state);
    await expectState(state);
    expect(await nft("list", "chain", "inet", "eleven", "entering")).toContain("!= @sources6 drop");
  });

  /** As a process has it that leaves it to nobody else: until it ends, or (persist) beyond. */
  async function owned(flags: number): Promise<Netlink> {
    const owner = inNetns(namespace.path, () => new Netlink(NETLINK_NETFILTER));
    const bracket = [0, 0, 0, 10];
    const batch = new MessageWriter()
      .message(16, 0, bracket)
      .message(NF_TABLES.NEWTABLE, 0x400, [1, 0, 0, 0], (to) => to.text(1, "eleven").be32(2, flags))
      .message(17, 0, bracket);
    expect([...(await owner.transact("own", batch))]).toEqual([]);
    return owner;
  }

  test.each([
    ["goes with it", 2],
    ["stays", 6],
  ])(
    "a table that a process owns, and that %s: nothing can be done until it ends, then it is ours",
    async (_, flags) => {
      const owner = await owned(flags);
      await expect(become(STATE)).rejects.toMatchObject({
        code: "denied",
        message: expect.stringMatching(/^sandbox\/c1: delete table inet eleven: EPERM \(a process owns the table/),
      });
      owner.close();
      await become(STATE);
      await expectState(STATE);
    },
  );

  test.each(DAMAGE)(
    "%s, and nobody looked: the next change repairs it, or leaves it to be seen",
    async (_, command) => {
      await become(STATE);
      await nft(command);
      const next = { ...STATE, servers: STATE.servers.slice(1) };
      await backend.apply(target, diff(STATE, next), next);
      const actual = await backend.read(target, []);
      if (actual.servers.length > 0) expect(normal(actual)).toEqual(normal(next));
      await become(next);
      await expectState(next);
    },
  );

  test("ended between two transactions: what was done is read, the rest follows", async () => {
    const many = { ...EMPTY, servers: servers(9) };
    await backend.apply(target, diff(EMPTY, many), many);
    const half = { ...EMPTY, servers: many.servers.slice(0, 4) };
    const other = new NftablesBackend({ chunk: 2 });
    await other.apply(target, diff(many, half), half);
    await expectState(half);
    await become(many);
    await expectState(many);
  });

  const stay = (...tasks: string[]): LbState => ({
    ...STATE,
    servers: [
      { ...STATE.servers[0]!, affinity: 60, destinations: tasks.map((address) => ({ address, weight: 1 })) },
      ...STATE.servers.slice(1),
    ],
  });
  const tableHandle = async () => /# handle (\d+)/.exec(await nft("-a", "list", "table", "inet", "eleven"))![1];

  test.each([
    ["a task's chain is there, and nobody is led to it", 1],
    ["nobody is led to a task's chain any more", 2],
  ])("ended within a step: %s: what is left is seen, and taken away, not built anew", async (_, done) => {
    const [before, after] = [stay("10.0.1.5"), stay("10.0.1.7")];
    await become(before);
    const handle = await tableHandle();
    const [was, is] = [before.servers[0]!, after.servers[0]!];
    const random = () => 0;
    backend = new NftablesBackend({ chunk: 2, random });
    const step = turning(random).step({ server: was, form: 0 }, is);
    const transactions = changesOf(SKELETON, [step], new Set(SETS.keys()).add("turns-1"));
    expect(transactions).toHaveLength(3);
    for (const changes of transactions.slice(0, done)) await transaction(target, changes);
    const found = await backend.read(target, []);
    expect(found.servers.map(({ key }) => key).sort()).toEqual(before.servers.map(({ key }) => key).sort());
    expect(diff(found, done === 1 ? before : after)).toEqual([{ op: "server.change", server: done === 1 ? was : is }]);
    await become(after);
    await expectState(after);
    expect(await nft("list", "table", "inet", "eleven")).not.toContain("t-256-10.0.1.5");
    expect(await tableHandle()).toBe(handle);
  });

  test("the last of a step's transactions is refused: all of it is built anew, and known as it is", async () => {
    await become(stay("10.0.1.5", "10.0.1.6"));
    await nft("add chain inet eleven x; add rule inet eleven x goto t-256-10.0.1.6");
    const [before, after, later] = [stay("10.0.1.5", "10.0.1.6"), stay("10.0.1.5"), stay("10.0.1.5", "10.0.1.8")];
    await backend.apply(target, diff(before, after), after);
    await expectState(after);
    await backend.apply(target, diff(after, later), later);
    await expectState(later);
  });

  test("a set of clients that is full: who comes then is served, without being remembered", async () => {
    for (const words of ["link add e11-d up type bridge", "address add 10.0.1.5/24 dev e11-d"])
      await namespace.run("ip", ...words.split(" "));
    await become({ ...EMPTY, servers: [{ ...STATE.servers[0]!, affinity: 600, destinations: [TASK] }] });
    const clients = Array.from({ length: 65_535 }, (_, i) => `10.9.${i >> 8}.${i & 255}`).join(",");
    const input = `add element inet eleven c-256-10.0.1.5 { ${clients} }`;
    expect(await exec("nft", ["-f", "-"], { netns: namespace.path, input })).toMatchObject({ status: 0, stderr: "" });
    const task = await Peer.start("t", namespace);
    onTestFinished(() => task.end());
    await task.serve(["10.0.1.5"], 80);
    expect(await task.ask("10.0.1.4", 80)).toEqual(["t 10.0.1.5"]);
  });

  test("keys of any length and with any characters", async () => {
    const keys = ["x", "a/b/4", "ä €\"'\\%{}\n;", "long/".repeat(60), "emoji 🐳/4"];
    const state = { ...EMPTY, servers: servers(keys.length).map((server, i) => ({ ...server, key: keys[i]! })) };
    await become(state);
    await expectState(state);
    await become(EMPTY);
    await expectState(EMPTY);
  });

  test("more tasks than slots, and weights far apart", async () => {
    const destinations = Array.from({ length: 1500 }, (_, i) => ({
      address: `10.1.${i >> 8}.${i & 255}`,
      weight: 1 + (i % 3) * 20_000,
    }));
    const state = {
      ...EMPTY,
      servers: servers(2).map((server) => ({ ...server, scheduler: "wrr" as const, destinations })),
    };
    await become(state);
    await expectState(state);
  });

  test("a container fills our table with counters: it is said, not read to the end, and put right", async () => {
    await become(STATE);
    expect([...(await backend.taken(target)).keys()].sort()).toEqual(STATE.servers.map(({ key }) => key).sort());
    const input = Array.from({ length: 20_000 }, (_, i) => `add counter inet eleven x${i}\n`).join("");
    expect(await exec("nft", ["-f", "-"], { netns: namespace.path, input })).toMatchObject({ status: 0, stderr: "" });
    await expect(backend.taken(target)).rejects.toMatchObject({
      code: "failed",
      message: expect.stringContaining("E2BIG"),
    });
    expect((await backend.read(target, [])).servers).toEqual([]);
    await become(STATE);
    await expectState(STATE);
    expect((await backend.taken(target)).size).toBe(STATE.servers.length);
  });

  test("counters that a container has filled to the brim are numbers, and no error", async () => {
    await become(STATE);
    const [most, text] = [
      2n ** 64n - 1n,
      TEXT.replace("add counter inet eleven b-256", "$& { packets 7 bytes 18446744073709551615; }"),
    ];
    await write(text);
    await expectState(STATE);
    expect((await backend.taken(target)).get("web/mynet/4")).toEqual({
      connections: 0,
      packets: 7,
      bytes: Number(most),
    });
  });

  test("a namespace that is not there", async () => {
    const nowhere = { ...target, netns: "/run/netns/e11-none" };
    await expect(backend.probe(nowhere)).rejects.toMatchObject({ code: "gone" });
    await expect(backend.apply(nowhere, diff(EMPTY, STATE), STATE)).rejects.toMatchObject({ code: "gone" });
    await backend.clear(nowhere);
  });
});

function servers(count: number): LbState["servers"] {
  const [server] = STATE.servers;
  return Array.from({ length: count }, (_, i) => ({ ...server!, key: `s${i}`, vip: `10.0.9.${i}`, mark: 300 + i }));
}
