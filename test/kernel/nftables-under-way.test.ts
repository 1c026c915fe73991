/** Packets that are on their way while their service changes: each is led to a task, on the real kernel. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbState, type LbTarget } from "../../src/lb-programmer/state.ts";
import { inNetns } from "../../src/os/netns.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const VIP = "10.0.1.4";
const TASKS = ["10.0.1.5", "10.0.1.6", "10.0.1.7"] as const;
const web = (more: string, ...tasks: string[]): LbState =>
  parseState([`server web/mynet/4 ${VIP} mark ${more}`, ...tasks.map((task) => `10.0.1.${task}`)].join("\n"));

const THREE = web("256 local rr", "5 1", "6 1", "7 1");

/** One after the other, and again: a task less, affinity, other weights, another mark; and back from each. */
const CHANGES = [
  web("256 local rr", "5 1", "6 1"),
  web("256 local rr affinity 60", "5 1", "6 1", "7 1"),
  web("256 local wrr", "5 3", "6 1", "7 1"),
  web("300 local rr", "5 1", "6 1", "7 1"),
].flatMap((state) => [state, THREE]);

/** Milliseconds. With a single transaction for each change, one packet in a thousand changes or so was led nowhere. */
const LONG = 6_000;

/** Sends datagrams as fast as it can, each a connection of its own: none is ever completed, so none is remembered. */
const SENDER = `
  const socket = require("node:dgram").createSocket({ type: "udp4", lookup: (name, _, done) => done(null, name, 4) });
  let port = 0;
  function go() {
    for (let i = 0; i < 64; i++) socket.send("x", (port = (port % 65535) + 1), "${VIP}", () => {});
    setImmediate(go);
  }
  socket.bind(0, go);
`;

describe.skipIf(!privileged())("nftables: packets under way", () => {
  const backend = new NftablesBackend();
  let namespace: Namespace;
  let target: LbTarget;
  let sender: ChildProcess | undefined;

  beforeEach(async () => {
    namespace = await freshNamespace("way");
    target = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1", netns: namespace.path };
    for (const task of TASKS) await namespace.run("ip", "address", "add", `${task}/32`, "dev", "lo");
    await namespace.run("ip", "address", "add", "10.0.9.9/32", "dev", "lo");
    await namespace.run("ip", "route", "add", "default", "dev", "lo");
    await namespace.run("nft", "add table inet look; add counter inet look missed; add counter inet look led");
    await namespace.run("nft", "add chain inet look c { type filter hook output priority 10; policy accept; }");
    for (const [to, counter] of [
      [VIP, "missed"],
      [`{ ${TASKS.join(", ")} }`, "led"],
    ])
      await namespace.run("nft", `add rule inet look c ip daddr ${to} counter name ${counter} drop`);
  });
  afterEach(async () => {
    sender?.kill("SIGKILL");
    if (sender) await once(sender, "exit");
    backend.close();
    await namespace.remove();
  });

  const counted = async (counter: string): Promise<number> =>
    Number(/packets (\d+)/.exec(await namespace.run("nft", "list", "counter", "inet", "look", counter))![1]);

  test("nobody misses a service that changes all the time", { timeout: 60_000 }, async () => {
    let now: LbState = EMPTY;
    const become = async (next: LbState): Promise<void> => {
      await backend.apply(target, diff(now, next), next);
      now = next;
    };
    await become(THREE);
    sender = inNetns(namespace.path, () => spawn(process.execPath, ["-e", SENDER], { stdio: "ignore" }));
    await expect.poll(() => counted("led"), { timeout: 20_000 }).toBeGreaterThan(0);
    for (const end = performance.now() + LONG; performance.now() < end; )
      for (const state of CHANGES) await become(state);
    expect(await counted("missed")).toBe(0);
  });
});
