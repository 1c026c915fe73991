/** A planner that is told what changes were about looks at nothing else, and plans what one would that looks at everything. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withoutCommon } from "../../src/lb-programmer/changed.ts";
import { Marks } from "../../src/lb-programmer/marks.ts";
import { normal } from "../../src/lb-programmer/normal.ts";
import { joined, PerService } from "../../src/lb-programmer/plan/per-service.ts";
import { Planner } from "../../src/lb-programmer/plan/planner.ts";
import { TouchedServices } from "../../src/lb-programmer/plan/touched-services.ts";
import type { LbState, LbTarget, Placement, VirtualServer } from "../../src/lb-programmer/state.ts";
import type { ChangeInput } from "../../src/model/input.ts";
import type { Change, ReadonlyState } from "../../src/model/types.ts";
import { RegistryError } from "../../src/registry/error.ts";
import { Registry } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";

const HOST: LbTarget = { kind: "host", id: "host", to4: "172.18.0.2", bridge: "gw" };
const TARGETS: readonly LbTarget[] = [
  ...["c1", "c2", "c3", "a.1"].map((id): LbTarget => ({ kind: "sandbox", id: `sandbox/${id}`, sandbox: id })),
  { kind: "network", id: "network/n1", network: "n1", ip4: "10.0.1.200", ip6: "fd00:1::c8", device: "eth0" },
  { kind: "ingress", id: "ingress", network: "mesh", ip4: "10.0.9.200", device: "eth1" },
  HOST,
];
const WORLD = changes(`
  network n1 overlay 10.0.1.0/24 fd00:1::/64
  network n2 overlay 10.0.2.0/24
  network mesh overlay ingress 10.0.9.0/24
  service a on n1
  task a.1 on n1
  container c1 on n1
  container c2 on n1 on n2
  container c3 on n2
  sandbox c1
  sandbox c2
  sandbox c3
  sandbox a.1`);

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const services = ["a", "b", "c/n1", "d"];
const on = (networks: readonly string[]) =>
  networks.map((network) => ({ network, aliases: [], links: [], priority: 0 }));

const service: fc.Arbitrary<Change> = fc
  .record({
    id: pick(...services),
    mode: pick("vip" as const, "vip" as const, "dnsrr" as const),
    networks: fc.subarray(["n1", "n2"]).map((names) => names.map((network) => ({ network, aliases: [] }))),
    port: pick(undefined, "cluster" as const, "local" as const, "host" as const),
    affinity: pick(undefined, undefined, 60),
  })
  .map(({ id, port, affinity, ...rest }): Change => {
    const i = services.indexOf(id);
    const first = port === "host" ? 9000 : 8000 + 4 * i; // the same one for all in host mode; neighbours in the mesh
    const { mode, traffic } = {
      mode: port === "host" ? port : ("ingress" as const),
      traffic: port === "local" ? port : undefined,
    };
    const ports = [0, 1, 2, 3].flatMap((n) => {
      const target = port === "host" ? first + n : 80;
      return port
        ? [{ protocol: "tcp" as const, target, published: first + n, mode, ...(traffic && { traffic }) }]
        : [];
    });
    const balance = affinity && { balance: { affinity } };
    return {
      kind: "service.put",
      service: { id, name: id[0]!, publish: "healthy", labels: {}, ports, ...balance, ...rest },
    };
  });
const task: fc.Arbitrary<Change> = fc
  .record({
    id: pick("a-1-id", "t2", "t3", "t4", "t5"),
    service: pick(...services),
    node: pick("node-1", "node-2"),
    state: pick("running" as const, "running" as const, "draining" as const, "stopped" as const),
    networks: fc.subarray(["n1", "n2"]),
    weight: pick(undefined, undefined, 3),
  })
  .map(({ networks, weight, ...rest }): Change => {
    const more = { ...(weight && { weight }), health: "none" as const, labels: {} };
    return { kind: "task.put", task: { slot: 1, endpoints: on(networks), ...more, ...rest } };
  });
const removal = fc.oneof(
  pick(...services).map((id): Change => ({ kind: "service.remove", id })),
  pick("a-1-id", "t2", "t3", "t4").map((id): Change => ({ kind: "task.remove", id })),
);
const other: fc.Arbitrary<ChangeInput> = fc.oneof(
  pick("n1", "n2").map((id): ChangeInput => ({ kind: "network.patch", id, patch: { name: `${id}x` } })),
  fc.tuple(pick("c1", "c2"), fc.subarray(["n1", "n2"])).map(([id, networks]): Change => {
    return {
      kind: "container.put",
      container: { id, name: id, state: "running", endpoints: on(networks), labels: {} },
    };
  }),
);
const change = fc.oneof<fc.MaybeWeightedArbitrary<ChangeInput>[]>(
  { weight: 4, arbitrary: service },
  { weight: 4, arbitrary: task },
  removal,
  other,
);
/** A batch, whether the planner is told of it, whose plans are asked for afterwards, and whether unused marks are freed then. */
const step = fc.record({
  batch: fc.array(change, { minLength: 1, maxLength: 3 }),
  told: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  asked: fc.subarray([...TARGETS]),
  freed: fc.boolean(),
});

test.each<Placement>(["sandbox", "network"])(
  "placement %s: told or not, after any changes a plan is what it has to be",
  (placement) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const marks = neverAgain();
        const context = { placement, node: "node-1", sysctls: { a: "1" }, marks: marks.of };
        const told = new Planner(context);
        let telling = true;
        const registry = new Registry({ follow: (applied) => void (telling && told.follow(applied)) });
        const earlier = new Map<LbTarget, LbState>();
        const plans = (targets: readonly LbTarget[]) => targets.map((target) => told.plan(registry.state, target));
        applied(registry, WORLD);
        for (const { batch, told: tell, asked, freed } of steps) {
          telling = tell;
          applied(registry, batch);
          const fresh = new Planner(context);
          const expected = asked.map((target) => normal(fresh.plan(registry.state, target)));
          expect(plans(asked).map(normal)).toEqual(expected);
          for (const [i, plan] of plans(asked).entries()) {
            const before = earlier.get(asked[i]!) ?? plan;
            // What is known of the difference is what is found by looking for it.
            expect(withoutCommon(before.servers, plan.servers).map(keysOf)).toEqual(
              withoutCommon([...before.servers], [...plan.servers]).map(keysOf),
            );
            earlier.set(asked[i]!, plan);
          }
          if (freed) told.freed(marks.keep(plans(asked).flatMap(({ servers }) => servers.map(({ key }) => key))));
          for (const [i, plan] of plans(asked).entries()) {
            const again = told.plan(registry.state, asked[i]!);
            expect([again.servers === plan.servers, again.addresses === plan.addresses]).toEqual([true, true]);
          }
        }
      }),
      { numRuns: 300 },
    );
  },
);

const keysOf = (servers: readonly VirtualServer[]) => servers.map(({ key, mark }) => `${key} ${mark}`).toSorted();

/** Marks that are not given to anybody else once they are freed: who still has an old one is found out. */
function neverAgain() {
  const marks = new Map<string, number>();
  let next = 256;
  return {
    of: (key: string): number => {
      const mark = marks.get(key) ?? next++;
      marks.set(key, mark);
      return mark;
    },
    keep(keys: readonly string[]): readonly string[] {
      const freed = [...marks.keys()].filter((key) => !keys.includes(key));
      for (const key of freed) marks.delete(key);
      return freed;
    },
  };
}

function applied(registry: Registry, batch: readonly ChangeInput[]): void {
  try {
    registry.apply(batch);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
}

describe("what is kept", () => {
  const context = () => {
    const marks = new Marks();
    return { placement: "sandbox", node: "node-1", sysctls: {}, marks: (key: string) => marks.of(key) } as const;
  };
  const world = (text: string) => {
    const plans = new Planner(context());
    const registry = new Registry({ follow: (applied) => plans.follow(applied) });
    registry.apply(WORLD);
    registry.apply(changes(text));
    const of = (id: string) => plans.plan(registry.state, TARGETS.find((target) => target.id === `sandbox/${id}`)!);
    const published = () => plans.plan(registry.state, HOST).published;
    return { registry, of, published };
  };

  test("sandboxes on the same networks have the same lists", () => {
    const { of } = world("service b on n2\n container c4 on n1 on n2");
    expect(of("c1").servers).toBe(of("a.1").servers);
    expect(of("c1").addresses).toBe(of("a.1").addresses);
    expect(of("c2").servers).toEqual([...of("c1").servers, ...of("c3").servers]);
    expect(of("c2").servers).toBe(of("c2").servers);
  });

  test("a task's change makes its service's servers anew, and leaves addresses and other networks' lists", () => {
    const { registry, of } = world("service b on n1\n service c on n2");
    const [before, elsewhere] = [of("c1"), of("c3")];
    registry.apply(changes("task b.1 on n1"));
    const after = of("c1");
    expect(after.servers.map((server, i) => server === before.servers[i])).toEqual([true, true, false, false]);
    expect(after.addresses).toBe(before.addresses);
    expect(of("c3").servers).toBe(elsewhere.servers);
  });

  test.each<[string, string, boolean]>([
    ["another sandbox that comes", "container c4 on n1\n sandbox c4", false],
    ["another sandbox alone", "sandbox c2 up=192.0.2.1", true],
    ["the sandbox itself", "sandbox c1 up=192.0.2.1", false],
    ["its container", "container c1 on n2", false],
    ["a service", "service b on n2", false],
    ["a network", "network n3 overlay 10.0.3.0/24", false],
  ])("a sandbox's plan after %s", (_, text, same) => {
    const { registry, of } = world("");
    const before = of("c1");
    expect(of("c1")).toBe(before);
    registry.apply(changes(text));
    expect(of("c1") === before).toBe(same);
  });

  test("published ports that lead to where they led are the same list", () => {
    const { registry, published } = world("");
    registry.apply([
      {
        kind: "service.put",
        service: { name: "p", networks: [{ network: "n2" }], ports: [{ target: 80, published: 8080, mode: "host" }] },
      },
      { kind: "task.put", task: { service: "p", slot: 1, endpoints: [{ network: "n2", ip4: "10.0.2.99" }] } },
    ]);
    const before = published();
    expect(before).toStrictEqual([{ protocol: "tcp", port: 8080, to: "10.0.2.99", toPort: 80, bridge: "gw" }]);
    registry.apply([{ kind: "task.patch", id: "p.1", patch: { weight: 3 } }]);
    expect(published()).toBe(before);
    registry.apply([
      { kind: "service.patch", id: "p", patch: { ports: [{ target: 81, published: 8080, mode: "host" }] } },
    ]);
    expect(published()).toEqual([{ ...before[0], toPort: 81 }]);
  });

  test.each<[string, string, string]>([
    ["of two that run, the one with the lower id", "", "10.0.2.98"],
    ["one that runs goes before one that drains", "a2.1", "10.0.2.99"],
  ])("a port in host mode that two services ask for: %s, whoever came first", (_, draining, to) => {
    const { registry, published } = world("");
    const port = { target: 80, published: 8080, mode: "host" } as const;
    const put = (name: string, ports: readonly (typeof port)[], ip4: string): ChangeInput[] => [
      { kind: "service.put", service: { name, networks: [{ network: "n2" }], ports: [...ports] } },
      { kind: "task.put", task: { service: name, slot: 1, endpoints: [{ network: "n2", ip4 }] } },
    ];
    registry.apply([...put("a2", [], "10.0.2.98"), ...put("b", [port], "10.0.2.99")]);
    expect(published()).toMatchObject([{ to: "10.0.2.99" }]);
    registry.apply([{ kind: "service.patch", id: "a2", patch: { ports: [port] } }]);
    if (draining) registry.apply([{ kind: "task.patch", id: draining, patch: { state: "draining" } }]);
    expect(published()).toMatchObject([{ to }]);
    expect(new Planner(context()).plan(registry.state, HOST).published).toEqual(published());
    registry.apply([{ kind: "task.remove", id: "a2.1" }]);
    expect(published()).toMatchObject([{ to: "10.0.2.99" }]);
  });

  test("addresses of VIPs that stay are the same objects, also when the service is put again", () => {
    const { registry, of } = world("service b on n1");
    const before = of("c1").addresses;
    registry.apply(changes("service a on n1 alias=x\n service c on n1"));
    expect(
      of("c1")
        .addresses.slice(0, 4)
        .map((address, i) => address === before[i]),
    ).toEqual([true, true, true, true]);
    expect(of("c1").addresses).toHaveLength(6);
  });
});

describe("services that were touched", () => {
  const touched = (...services: string[]) => ({ services: new Set(services), tasksOf: new Set<string>() });
  const at = (revision: number) => ({ revision }) as ReadonlyState;

  test("those of every batch since", () => {
    const log = new TouchedServices();
    log.follow({ revision: 4, touched: touched("a") });
    const { now } = log;
    expect(log.since(now, at(4))).toEqual([]);
    log.follow({ revision: 5, touched: { ...touched("b"), tasksOf: new Set(["c"]) } });
    log.add(["d"]);
    expect(log.since(now, at(5))).toEqual(["b", "c", "d"]);
  });

  test("of many, those who looked lately are told what came since", () => {
    const log = new TouchedServices(1);
    let { now } = log;
    for (let i = 2; i < 20_000; i++) {
      log.follow({ revision: i, touched: touched(`${i}`) });
      expect(log.since(now, at(i))).toEqual([`${i}`]);
      now = log.now;
    }
  });

  test("the revision that it begins with is no gap", () => {
    const log = new TouchedServices(7);
    const { now } = log;
    expect(log.since(now, at(7))).toEqual([]);
    log.follow({ revision: 8, touched: touched("a") });
    expect(log.since(now, at(8))).toEqual(["a"]);
  });

  test.each<[string, (log: TouchedServices) => void, number]>([
    ["a batch was missed", (log) => log.follow({ revision: 3, touched: touched() }), 3],
    ["there were too many", (log) => log.add(Array.from({ length: 8_193 }, (_, i) => `${i}`)), 1],
    ["the state is a later one", () => {}, 2],
  ])("may be any when %s", (_, happens, revision) => {
    const log = new TouchedServices();
    log.follow({ revision: 1, touched: touched("a") });
    const { now } = log;
    happens(log);
    expect(log.since(now, at(revision))).toBeUndefined();
    log.follow({ revision: revision + 1, touched: touched("b") });
    expect(log.since(log.now, at(revision + 1))).toEqual([]);
  });
});

test("parts are asked for of touched services only, as long as nothing was missed", () => {
  const registry = new Registry({ follow: (applied) => log.follow(applied) });
  const log = new TouchedServices();
  const asked: string[] = [];
  const names = new PerService(log, (_, { name }, before: readonly { name: string }[]) => {
    asked.push(name);
    return before.length > 0 ? before : [{ name }];
  });
  const list = () => names.list(registry.state).map(({ name }) => name);
  registry.apply(changes("network n overlay\n service a on n\n service b on n"));
  expect([list(), asked.splice(0)]).toEqual([
    ["a", "b"],
    ["a", "b"],
  ]);
  const before = names.list(registry.state);
  registry.apply(changes("task b.1 on n"));
  expect([names.list(registry.state) === before, asked.splice(0)]).toEqual([true, ["b"]]);
  registry.apply([{ kind: "task.remove", id: "b-1-id" }, ...changes("service c on n")]);
  expect([list(), asked.splice(0)]).toEqual([
    ["a", "b", "c"],
    ["c", "b"],
  ]);
  registry.apply([{ kind: "service.remove", id: "a" }]);
  expect([list(), asked]).toEqual([["b", "c"], []]);
});

test("after a part that could not be made, all of it is made", () => {
  const registry = new Registry({ follow: (applied) => log.follow(applied) });
  const log = new TouchedServices();
  let broken = "";
  const names = new PerService(log, (_, { name, networks }) => {
    if (name === broken) throw new Error("no mark is left");
    return [`${name} ${networks.map(({ aliases }) => aliases)}`];
  });
  registry.apply(changes("network n overlay\n service a on n\n service b on n"));
  expect(names.list(registry.state)).toEqual(["a ", "b "]);
  registry.apply(changes("service a on n alias=x\n service b on n alias=y"));
  broken = "b";
  expect(() => names.list(registry.state)).toThrow("no mark is left");
  broken = "";
  expect(names.list(registry.state)).toEqual(["a x", "b y"]);
});

test.each<[string, string[]]>([
  ["one", ["a"]],
  ["two", ["a", "b"]],
  ["three", ["a", "b", "c"]],
])("lists joined: %s", (_, names) => {
  const lists = names.map((name) => [{ name }]);
  expect(joined(lists).map(({ name }) => name)).toEqual(names);
  expect(joined(lists)).toBe(joined(lists));
  expect(joined([[], ...lists, []])).toBe(joined(lists));
  expect([joined([]), joined([[], []])]).toEqual([[], []]);
});
