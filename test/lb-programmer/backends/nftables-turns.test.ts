/** Who gets connections: a kernel that counts from 0 whenever a rule is written, played by the changes that it is told. Pure. */
import { describe, expect, test } from "vitest";
import { changesOf, type Way } from "../../../src/lb-programmer/backends/inet-table/changes.ts";
import type { Dialect, Installed } from "../../../src/lb-programmer/backends/inet-table/dialect.ts";
import { isSlotMap } from "../../../src/lb-programmer/backends/inet-table/sets.ts";
import { serverParts } from "../../../src/lb-programmer/backends/nftables/parts.ts";
import { turning } from "../../../src/lb-programmer/backends/nftables/turns.ts";
import type { VirtualServer } from "../../../src/lb-programmer/state.ts";
import { changeText } from "../../../src/os/nftables/text.ts";
import { chiSquare, ONCE_IN_A_THOUSAND, seeded } from "../../support/chance.ts";
import { EVERY, STRAIGHT, serverOf } from "../../support/nftables-table.ts";
import { parseState } from "../state-text.ts";

const HEAD = "server web/mynet/4 10.0.1.4 mark 256 local";
const TASKS = ["10.0.1.5", "10.0.1.6", "10.0.1.7"] as const;

/** Three tasks with these weights. */
const server = (weights: readonly number[], how = "rr"): VirtualServer =>
  parseState(
    [`server web/mynet/4 10.0.1.4 mark 256 local ${how}`, ...weights.map((w, i) => `${TASKS[i]} ${w}`)].join("\n"),
  ).servers[0]!;

/** A namespace with this server alone. */
class Played {
  readonly #dialect: Dialect;
  readonly #slots = new Map<string, string>();
  #installed: Installed | undefined;
  #counter = 0;
  #alone = "";

  constructor(random: () => number) {
    this.#dialect = turning(random);
  }

  become(server: VirtualServer): void {
    const step = this.#dialect.step(this.#installed, server);
    this.#installed = step.installed;
    for (const change of changesOf(this.#dialect.skeleton, [step], new Set()).flat()) {
      if (change.kind === "rule.add" && change.rule.chain === "s-256") {
        this.#counter = 0;
        this.#alone = JSON.stringify(change.rule.statements);
      }
      if (change.kind !== "elements.add" && change.kind !== "elements.delete") continue;
      if (!isSlotMap(change.set.name)) continue;
      for (const { key, value = "" } of change.elements)
        if (change.kind === "elements.delete") this.#slots.delete(key);
        else this.#slots.set(key, value);
    }
  }

  /** The number of the task that the next connection is led to. */
  connect(): number {
    const row = [...this.#slots].sort(([a], [b]) => Number(a) - Number(b)).map(([, to]) => to);
    const to = row.length === 0 ? this.#alone : row[this.#counter++ % row.length]!;
    return TASKS.findIndex((task) => to.includes(task));
  }
}

const counted = (tasks: readonly number[]): readonly number[] =>
  TASKS.map((_, i) => tasks.filter((task) => task === i).length);

/** From one to the other, and whether what the server itself is, and what leads to it, is compared. */
const STEPS: readonly (readonly [string, string, string, boolean])[] = [
  ["a task more", `${HEAD} rr\n10.0.1.5 1`, `${HEAD} rr\n10.0.1.5 1\n10.0.1.6 1`, false],
  ["a task less", `${HEAD} rr\n10.0.1.5 1\n10.0.1.6 1`, `${HEAD} rr\n10.0.1.6 1`, false],
  ["another weight", `${HEAD} wrr\n10.0.1.5 1\n10.0.1.6 1`, `${HEAD} wrr\n10.0.1.5 3\n10.0.1.6 1`, false],
  ["the only task goes: refused from now on", `${HEAD} rr\n10.0.1.5 1`, `${HEAD} rr`, true],
  ["the only task drains", `${HEAD} rr\n10.0.1.5 1`, `${HEAD} rr\n10.0.1.5 0`, true],
  ["the first task", `${HEAD} rr`, `${HEAD} rr\n10.0.1.5 1`, true],
  ["another scheduler", `${HEAD} rr\n10.0.1.5 1`, `${HEAD} wrr\n10.0.1.5 1`, true],
  ["affinity", `${HEAD} rr\n10.0.1.5 1`, `${HEAD} rr affinity 60\n10.0.1.5 1`, true],
  ["another VIP", `${HEAD} rr\n10.0.1.5 1`, `${HEAD.replace("1.4", "1.9")} rr\n10.0.1.5 1`, true],
  ["another mark", `${HEAD} rr\n10.0.1.5 1`, `${HEAD.replace("256", "257")} rr\n10.0.1.5 1`, true],
  ["arriving", `${HEAD} rr\n10.0.1.5 1`, `${HEAD.replace("local", "arriving")} rr\n10.0.1.5 1`, true],
  ["published", `${HEAD} rr\n10.0.1.5 1`, `${HEAD.replace("local", "published tcp/80")} rr\n10.0.1.5 1`, true],
];

describe("nftables: a step", () => {
  test.each(STEPS)("%s", (_, before, after, isWhole) => {
    const [was, is] = [serverOf(before), serverOf(after)];
    const { installed, ...step } = STRAIGHT.step({ server: was, form: 0 }, is);
    const changes = (way: Way): readonly string[] =>
      changesOf(STRAIGHT.skeleton, [way], EVERY).flatMap((one) => one.map((change) => changeText("eleven", change)));
    expect(changes(step)).toEqual(changes({ before: serverParts(was), after: serverParts(is) }));
    expect(step.after.elements.some((element) => element.in === "servers4")).toBe(isWhole);
    expect(installed).toEqual({ server: is, form: 0 });
  });
});

describe("nftables: turns", () => {
  const random = seeded(9);

  test.each([
    ["taking turns", server([1, 1, 1]), [1, 1, 1]],
    ["by weight", server([3, 2, 1], "wrr"), [3, 2, 1]],
    ["with affinity, a first choice", server([1, 1, 1], "rr affinity 60"), [1, 1, 1]],
  ])("%s: the first connections of 1 000 namespaces", (_, web, weights) => {
    const firsts = Array.from({ length: 1_000 }, () => {
      const namespace = new Played(random);
      namespace.become(web);
      return namespace.connect();
    });
    const sum = weights.reduce((a, b) => a + b);
    const expected = weights.map((weight) => (1_000 * weight) / sum);
    expect(chiSquare(counted(firsts), expected)).toBeLessThan(ONCE_IN_A_THOUSAND);
  });

  /** A change before each connection, and what each task then gets of 1 200. */
  test.each([
    [
      "a task's weight toggled",
      [
        [1, 1, 1],
        [1, 1, 0],
      ],
      [500, 500, 200],
    ],
    [
      "another's",
      [
        [0, 1, 1],
        [1, 1, 1],
      ],
      [200, 500, 500],
    ],
    ["tasks that come and go", [[1], [1, 1], [1, 1, 1]], [400 + 200 + 133.3, 200 + 133.3, 133.3]],
  ])("%s between single connections: none starves", (_, weights, expected) => {
    const namespace = new Played(random);
    const tasks = Array.from({ length: 1_200 }, (_, i) => {
      namespace.become(server(weights[i % weights.length]!));
      return namespace.connect();
    });
    expect(chiSquare(counted(tasks), expected)).toBeLessThan(ONCE_IN_A_THOUSAND);
  });

  test("a change of something else takes nobody his turn", () => {
    const namespace = new Played(random);
    const tasks = Array.from({ length: 30 }, (_, i) => {
      namespace.become({ ...server([1, 1, 1]), ...(i % 2 && { keepSource: true }) });
      return namespace.connect();
    });
    expect(counted(tasks)).toEqual([10, 10, 10]);
  });

  test("a hash leads a client to the same task everywhere", () => {
    const starts = Array.from(
      { length: 20 },
      () => turning(random).step(undefined, server([1, 1, 1], "sh")).after.elements,
    );
    for (const elements of starts) expect(elements).toEqual(starts[0]);
  });
});
