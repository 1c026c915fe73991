/** Who gets connections on the real kernel: the first of each namespace, and those with a change between each. */
import { afterEach, describe, expect, test } from "vitest";
import { attached, services } from "../../bench/world.ts";
import { createNode } from "../../src/daemon.ts";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbState, type LbTarget } from "../../src/lb-programmer/state.ts";
import { inNetns } from "../../src/os/netns.ts";
import { bindUdp, closeFd, connectUdp, read, send } from "../../src/os/socket.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { chiSquare, ONCE_IN_A_THOUSAND, seeded } from "../support/chance.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const TASKS = ["10.0.1.5", "10.0.1.6", "10.0.1.7"] as const;
const [WEB, STAY] = ["10.0.1.4", "10.0.1.8"] as const;
const PORT = 5_000;
/** Octets of what is sent: "hi", and its headers. */
const DATAGRAM = 20 + 8 + 2;

/** A service that takes turns, with these weights, and one with affinity. */
const stateOf = (weights: readonly number[]): LbState =>
  parseState(
    [
      `server web/mynet/4 ${WEB} mark 256 local rr`,
      ...weights.map((weight, i) => `${TASKS[i]} ${weight}`),
      `server stay/mynet/4 ${STAY} mark 257 local rr affinity 60`,
      ...TASKS.map((task) => `${task} 1`),
    ].join("\n"),
  );

/** A namespace whose tasks are its own loopback's addresses: what is sent has arrived at once. */
class Alone {
  readonly namespace: Namespace;
  readonly #tasks: readonly number[];

  constructor(namespace: Namespace) {
    this.namespace = namespace;
    this.#tasks = inNetns(namespace.path, () => TASKS.map((task) => bindUdp(task, PORT).fd));
  }

  static async make(): Promise<Alone> {
    const namespace = await freshNamespace("turn");
    for (const task of TASKS) await namespace.run("ip", "address", "add", `${task}/24`, "dev", "lo");
    await namespace.run("ip", "route", "add", "10.0.0.0/16", "dev", "lo");
    return new Alone(namespace);
  }

  /** The number of the task that a new connection reaches. */
  connect(vip: string): number {
    const client = inNetns(this.namespace.path, () => connectUdp(vip, PORT));
    send(client, Buffer.from("hi"));
    closeFd(client);
    const into = Buffer.alloc(16);
    return this.#tasks.findIndex((task) => read(task, into) === 2);
  }

  async remove(): Promise<void> {
    for (const task of this.#tasks) closeFd(task);
    await this.namespace.remove();
  }
}

const counted = (tasks: readonly number[]): readonly number[] =>
  TASKS.map((_, i) => tasks.filter((task) => task === i).length);

describe.skipIf(!privileged())("nftables: turns", () => {
  const backend = new NftablesBackend({ random: seeded(9) });
  let here: Alone | undefined;
  afterEach(async () => {
    await here?.remove();
    backend.close();
  });

  async function fresh(state: LbState): Promise<LbTarget> {
    here = await Alone.make();
    const { name, path } = here.namespace;
    const target: LbTarget = { kind: "sandbox", id: `sandbox/${name}`, sandbox: name, netns: path };
    await backend.apply(target, diff(EMPTY, state), state);
    return target;
  }

  test("the first connections of 60 namespaces, with affinity, too; then exactly in turns", async () => {
    const state = stateOf([1, 1, 1]);
    const [turns, stays]: [number[], number[]] = [[], []];
    for (let i = 0; i < 60; i++) {
      await fresh(state);
      turns.push(here!.connect(WEB));
      stays.push(here!.connect(STAY));
      if (i === 0) {
        expect(counted(Array.from({ length: 30 }, () => here!.connect(WEB)))).toEqual([10, 10, 10]);
        expect(new Set(Array.from({ length: 10 }, () => here!.connect(STAY)))).toEqual(new Set(stays));
      }
      await here!.remove();
    }
    for (const firsts of [turns, stays])
      expect(chiSquare(counted(firsts), [20, 20, 20])).toBeLessThan(ONCE_IN_A_THOUSAND);
  });

  test("a weight toggled between single connections: no task starves", async () => {
    const states = [stateOf([1, 1, 1]), stateOf([1, 1, 0])] as const;
    const target = await fresh(states[0]);
    const tasks: number[] = [];
    for (let i = 0; i < 120; i++) {
      tasks.push(here!.connect(WEB));
      const [now, next] = [states[i % 2]!, states[(i + 1) % 2]!];
      await backend.apply(target, diff(now, next), next);
    }
    expect(chiSquare(counted(tasks), [50, 50, 20])).toBeLessThan(ONCE_IN_A_THOUSAND);
  });

  test("connections and what they carry are counted, also while their server changes; for a new process, too", async () => {
    const taken = (connections: number) => ({ connections, packets: connections, bytes: connections * DATAGRAM });
    const states = [stateOf([1, 1, 1]), stateOf([1, 1, 0])] as const;
    const target = await fresh(states[0]);
    expect(await backend.taken(target)).toEqual(
      new Map([
        ["web/mynet/4", taken(0)],
        ["stay/mynet/4", taken(0)],
      ]),
    );
    for (let i = 0; i < 10; i++) {
      here!.connect(WEB);
      if (i % 2 === 0) here!.connect(STAY);
      const [now, next] = [states[i % 2]!, states[(i + 1) % 2]!];
      await backend.apply(target, diff(now, next), next);
    }
    const other = new NftablesBackend();
    await other.read(target, []);
    for (const one of [backend, other])
      expect(await one.taken(target)).toEqual(
        new Map([
          ["web/mynet/4", taken(10)],
          ["stay/mynet/4", taken(5)],
        ]),
      );
    other.close();
    await backend.apply(target, diff(states[0], EMPTY), EMPTY);
    expect(await backend.taken(target)).toEqual(new Map());
  });

  test("a node says how often its services were asked", async () => {
    here = await Alone.make();
    const node = createNode({ workers: 0, balance: { backend: "nftables" } });
    try {
      node.apply([...services(2), attached(here.namespace.name)]);
      await node.ready();
      expect(node.balance.map(({ state }) => state)).toEqual(["equal"]);
      for (let i = 0; i < 3; i++) here.connect(node.state.services.get("s1")!.networks[0]!.vip4!);
      expect(await node.traffic()).toEqual([
        { service: "s0", network: "n", connections: 0, packets: 0, bytes: 0 },
        { service: "s1", network: "n", connections: 3, packets: 3, bytes: 3 * DATAGRAM },
      ]);
    } finally {
      await node.close();
    }
  });

  test("a new process goes on where the old one was", async () => {
    const state = stateOf([1, 1, 1]);
    const target = await fresh(state);
    const first = here!.connect(WEB);
    const other = new NftablesBackend();
    await other.apply(target, diff(await other.read(target, []), state), state);
    const next = stateOf([1, 1, 2]);
    await other.apply(target, diff(await other.read(target, []), next), next);
    other.close();
    const order = [first, here!.connect(WEB), here!.connect(WEB)];
    expect(order).toEqual([0, 1, 2].map((i) => (first + i) % 3));
  });
});
