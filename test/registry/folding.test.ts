import fc from "fast-check";
import { expect, test } from "vitest";
import type { Change, ReadonlyState, Touched } from "../../src/model/types.ts";
import { RegistryError } from "../../src/registry/error.ts";
import { reduce, reduceStored } from "../../src/registry/reduce.ts";
import { State } from "../../src/registry/state.ts";

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const maybe = <K extends string>(key: K, value: fc.Arbitrary<string>) =>
  fc.option(value).map((v) => (v === null ? {} : { [key]: v }) as { [P in K]?: string });
const nets = fc.subarray(["n1", "n2", "mesh"]);
const host = fc.integer({ min: 0, max: 9 }).map((i) => `10.0.1.${i}`);

const endpoints = fc
  .tuple(nets, maybe("ip4", host))
  .map(([list, given]) =>
    list.map((network) => ({ network, aliases: [], links: [], priority: 0, ...(network === "n1" ? given : {}) })),
  );
const port = fc.record({
  protocol: pick("tcp" as const, "udp" as const),
  target: pick(80, 81),
  published: pick(0, 0, 80, 30000, 30001),
  mode: pick("ingress" as const, "ingress" as const, "host" as const),
});

const put: fc.Arbitrary<Change> = fc.oneof(
  fc
    .record({
      id: pick("n1", "n2", "mesh"),
      name: pick("", "", "x"),
      subnet: pick("", "10.0.1.0/28", "10.0.1.0/29", "10.0.2.0/29", "fd00::/64"),
      more: pick("", "fd01::/64"),
    })
    .map(
      ({ id, name, subnet, more }): Change => ({
        kind: "network.put",
        network: {
          id,
          name: name || id,
          driver: "overlay",
          ingress: id === "mesh",
          defaultBridge: false,
          internal: false,
          subnets: [subnet, more].filter(Boolean).map((cidr) => ({ cidr })),
        },
      }),
    ),
  fc
    .record({
      id: pick("s1", "s2", "s3"),
      name: pick("a", "A", "b", "bad name"),
      mode: pick("vip" as const, "vip" as const, "dnsrr" as const),
      networks: fc
        .tuple(nets, maybe("vip4", host))
        .map(([list, vip]) => list.map((network) => ({ network, aliases: [], ...(network === "n1" ? vip : {}) }))),
      ports: fc.array(port, { maxLength: 2 }),
    })
    .map((s): Change => ({ kind: "service.put", service: { ...s, publish: "healthy", labels: {} } })),
  fc
    .record({ id: pick("t1", "t2", "t3"), service: pick("s1", "s2"), slot: pick(1, 2), endpoints })
    .map(
      (t): Change => ({ kind: "task.put", task: { ...t, node: "x", state: "running", health: "none", labels: {} } }),
    ),
  fc
    .record({ id: pick("c1", "c2"), name: pick("c1", "C1", "c2"), endpoints })
    .map((c): Change => ({ kind: "container.put", container: { ...c, state: "running", labels: {} } })),
  fc
    .record({
      id: pick("b1", "b2"),
      listen: fc.array(
        fc.record(
          {
            address: pick("10.0.0.1", "::1", "0::1"),
            port: pick(0, 53),
            source: fc.subarray(["10.1.0.1", "10.1.0.2"]),
          },
          { requiredKeys: ["address", "port"] },
        ),
        { maxLength: 2 },
      ),
    })
    .map((b): Change => ({ kind: "sandbox.put", sandbox: { ...b, member: { kind: "container", id: "c1" } } })),
);
const remove = fc.oneof(
  pick("n1", "n2", "mesh").map((id): Change => ({ kind: "network.remove", id })),
  pick("s1", "s2", "s3").map((id): Change => ({ kind: "service.remove", id })),
  pick("t1", "t2", "t3").map((id): Change => ({ kind: "task.remove", id })),
  pick("c1", "c2").map((id): Change => ({ kind: "container.remove", id })),
  pick("b1", "b2").map((id): Change => ({ kind: "sandbox.remove", id })),
);
const batches = fc
  .array(
    fc.array(fc.oneof({ weight: 4, arbitrary: put }, { weight: 1, arbitrary: remove }), { minLength: 1, maxLength: 4 }),
    { maxLength: 40 },
  )
  .map((all): Change[][] => [NETS, ...all]);
const NETS: Change[] = ["n1", "n2", "mesh"].map((id, i) => ({
  kind: "network.put",
  network: {
    id,
    name: id,
    driver: "overlay",
    ingress: id === "mesh",
    defaultBridge: false,
    internal: false,
    subnets: [{ cidr: `10.0.${i + 1}.0/28` }],
  },
}));

/** All there is to see of a state, indexes and pools included, in an order of its own. */
const dump = (s: State) => ({
  objects: [s.networks, s.services, s.tasks, s.containers, s.sandboxes].map((m) => sorted<unknown>(m)),
  tasksOf: sorted(s.tasksOf).map(([id, tasks]) => [id, [...tasks].sort()]),
  names: [s.networkNames, s.containerNames, s.listeners].map((m) => sorted(m)),
  serviceNames: sorted(s.serviceNames).map(([id, names]) => [id, sorted(names)]),
  pools: sorted(s.pools).map(([id, pool]) => [id, sorted(pool.users)]),
  ports: s.ports.size,
});
const sorted = <V>(map: ReadonlyMap<string, V>): [string, V][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

/** False if the batch was refused. */
function fold(state: State, batch: readonly Change[]): boolean {
  try {
    reduce(state, batch);
    return true;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return false;
  }
}

const everything = (s: ReadonlyState): Change[] => [
  ...[...s.networks.values()].map((network): Change => ({ kind: "network.put", network })),
  ...[...s.services.values()].map((service): Change => ({ kind: "service.put", service })),
  ...[...s.tasks.values()].map((task): Change => ({ kind: "task.put", task })),
  ...[...s.containers.values()].map((container): Change => ({ kind: "container.put", container })),
  ...[...s.sandboxes.values()].map((sandbox): Change => ({ kind: "sandbox.put", sandbox })),
];

test("whatever came before, the state is that of loading the survivors, and putting them again changes nothing", () => {
  fc.assert(
    fc.property(batches, (all) => {
      const state = new State();
      for (const batch of all) fold(state, batch);
      const fresh = new State();
      reduceStored(fresh, everything(state));
      expect(dump(fresh)).toEqual(dump(state));
      // A service that was published before there was a mesh joins it when it is put again.
      const meshless = [...state.services.values()].some((s) => s.mesh === undefined && s.ports.length > 0);
      expect((meshless ? reduceStored : reduce)(state, everything(state)).changes).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test("refused batches leave no trace: a state that never saw them is the same, to the next address", () => {
  let refused = 0;
  fc.assert(
    fc.property(batches, (all) => {
      const [state, unaware] = [new State(), new State()];
      for (const batch of all) {
        const before = dump(state);
        if (fold(state, batch)) reduce(unaware, batch);
        else {
          refused++;
          expect(dump(state)).toEqual(before);
        }
        expect(dump(unaware)).toEqual(dump(state));
      }
    }),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(100);
});

test("touched has every object that differs", () => {
  fc.assert(
    fc.property(batches, (all) => {
      const state = new State();
      for (const batch of all) {
        const before = KINDS.map((kind) => new Map<string, unknown>(state[kind]));
        let touched: Touched;
        try {
          touched = reduce(state, batch).touched;
        } catch {
          continue;
        }
        for (const [i, kind] of KINDS.entries()) {
          const now: ReadonlyMap<string, unknown> = state[kind];
          const ids = new Set([...now.keys(), ...before[i]!.keys()]);
          const differing = [...ids].filter((id) => now.get(id) !== before[i]!.get(id));
          expect([...touched[kind]]).toEqual(expect.arrayContaining(differing));
        }
      }
    }),
    { numRuns: 200 },
  );
});
const KINDS = ["networks", "services", "tasks", "containers", "sandboxes"] as const;

test("no address has two owners, every address has one, and removing everything leaves nothing", () => {
  fc.assert(
    fc.property(batches, (all) => {
      const state = new State();
      for (const batch of all) {
        fold(state, batch);
        const used = addresses(state);
        expect(new Set(used).size).toBe(used.length);
        const pooled = [...state.pools].flatMap(([id, pool]) => [...pool.users.keys()].map((a) => `${id} ${a}`));
        expect(pooled.sort()).toEqual(used.sort());
      }
      const gone = [...everything(state)].reverse().map((c): Change => {
        if (c.kind === "network.put") return { kind: "network.remove", id: c.network.id };
        if (c.kind === "service.put") return { kind: "service.remove", id: c.service.id };
        if (c.kind === "task.put") return { kind: "task.remove", id: c.task.id };
        if (c.kind === "container.put") return { kind: "container.remove", id: c.container.id };
        return c.kind === "sandbox.put" ? { kind: "sandbox.remove", id: c.sandbox.id } : c;
      });
      reduce(state, gone);
      expect(dump(state)).toEqual(dump(new State()));
    }),
    { numRuns: 200 },
  );
});

function addresses(s: ReadonlyState): string[] {
  const vips = [...s.services.values()].flatMap((x) =>
    [...x.networks, ...(x.mesh ? [x.mesh] : [])].flatMap((n) => [n.vip4, n.vip6].map((a) => a && `${n.network} ${a}`)),
  );
  const members = [...s.tasks.values(), ...s.containers.values()];
  const own = members.flatMap((x) => x.endpoints.flatMap((e) => [e.ip4, e.ip6].map((a) => a && `${e.network} ${a}`)));
  return [...vips, ...own].filter((a) => a !== undefined);
}
