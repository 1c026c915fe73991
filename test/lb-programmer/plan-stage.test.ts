/** From any changes to any others, with ranges, sources and declared ports: what is planned from what was touched is all, and a kernel can be brought there. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { KernelModel } from "../../src/lb-programmer/backends/kernel-model.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { Marks } from "../../src/lb-programmer/marks.ts";
import { normal } from "../../src/lb-programmer/normal.ts";
import { Planner } from "../../src/lb-programmer/plan/planner.ts";
import { single } from "../../src/lb-programmer/port-ranges.ts";
import { leavingFrom, NOTHING_LEFT, stage } from "../../src/lb-programmer/reconcile/leaving.ts";
import { EMPTY, type LbState, type LbTarget, type Placement } from "../../src/lb-programmer/state.ts";
import type { ChangeInput } from "../../src/model/input.ts";
import { RegistryError } from "../../src/registry/error.ts";
import { Registry } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";

const TARGETS: readonly LbTarget[] = [
  { kind: "sandbox", id: "sandbox/s1", sandbox: "s1" },
  { kind: "sandbox", id: "sandbox/s2", sandbox: "s2", also: ["s1"] },
  { kind: "network", id: "network/n1", network: "n1", ip4: "10.0.1.200", device: "eth0" },
  { kind: "network", id: "network/n2", network: "n2", ip4: "10.0.2.200", ip6: "fd00:2::c8", device: "eth0" },
  { kind: "ingress", id: "ingress", network: "mesh", ip4: "10.0.9.200", device: "eth1" },
  { kind: "host", id: "host", to4: "172.18.0.2", to6: "fd18::2", bridge: "gw" },
];
const WORLD = changes(`
  network n1 overlay 10.0.1.0/24
  network n2 overlay 10.0.2.0/24
  network mesh overlay ingress 10.0.9.0/24
  container c1 on n1 on n2
  service a on n1
  service b on n1 on n2`);

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const service = pick("a", "b", "c/n1");
const on = fc.subarray(["n1", "n2"]).map((networks) => networks.map((network) => ({ network })));
const port = fc
  .record({
    ...{ first: pick(8000, 8005, 8010), length: pick(1, 3, 9, 12), published: pick("kept", "moved", "any", undefined) },
    ...{ protocol: pick("tcp" as const, "udp" as const), mode: pick("ingress" as const, "host" as const) },
    ...{
      traffic: pick("cluster" as const, "local" as const),
      sources: pick(undefined, ["10.0.0.0/8"], ["::1", "1.2.3.4"]),
    },
  })
  .map(({ first, length, published, sources, ...rest }) => {
    const range = (from: number) => `${from}-${from + length - 1}`;
    if (published === undefined) return { target: range(first), ...rest };
    const outside = published === "any" ? 0 : range(first);
    return { target: range(published === "kept" ? first : first - 7000), published: outside, sources, ...rest };
  });
const fields = fc.record(
  {
    ...{ networks: on, ports: fc.array(port, { maxLength: 3 }), mode: pick("vip" as const, "dnsrr" as const) },
    ...{ vipPorts: pick("all" as const, "declared" as const), publish: pick("healthy" as const, "starting" as const) },
  },
  { requiredKeys: [] },
);
const task = fc.record({
  ...{ id: pick("t1", "t2", "t3"), service, slot: fc.constant(1), node: pick("node-1", "node-2") },
  ...{ state: pick("running" as const, "draining" as const), health: pick("none" as const, "unhealthy" as const) },
});
const change: fc.Arbitrary<ChangeInput> = fc.oneof(
  fc.tuple(service, fields).map(([id, more]): ChangeInput => {
    return { kind: "service.put", service: { name: id[0]!, id, ...more } };
  }),
  fc.tuple(service, fields).map(([id, patch]): ChangeInput => ({ kind: "service.patch", id, patch })),
  task.map((put): ChangeInput => ({ kind: "task.put", task: put })),
  service.map((id): ChangeInput => ({ kind: "service.remove", id })),
  pick("t1", "t2").map((id): ChangeInput => ({ kind: "task.remove", id })),
  on.map((endpoints): ChangeInput => ({ kind: "container.put", container: { name: "c1", endpoints } })),
  fc.tuple(pick("s1", "s2"), pick("c1", "t1", "t2")).map(([id, of]): ChangeInput => {
    const kind = of === "c1" ? "container" : "task";
    return { kind: "sandbox.put", sandbox: { id, netns: "/x", listen: [], member: { kind, id: of } } };
  }),
  pick<ChangeInput>(
    { kind: "network.remove", id: "n2" },
    { kind: "network.remove", id: "mesh" },
    { kind: "network.put", network: { name: "mesh", ingress: true } },
    { kind: "network.put", network: { name: "n2", subnets: [{ cidr: "10.0.2.0/24" }, { cidr: "fd00:2::/64" }] } },
    { kind: "network.patch", id: "n2", patch: { defaultBridge: true } },
  ),
);
const step = fc.record({
  ...{ batch: fc.array(change, { minLength: 1, maxLength: 2 }), undone: fc.array(change, { maxLength: 2 }) },
  ...{ asked: fc.subarray([...TARGETS]), released: fc.boolean() },
});

test.each<Placement>(["sandbox", "network"])("placement %s", (placement) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const marks = new Marks();
      const context = { placement, node: "node-1", sysctls: {}, marks: (key: string) => marks.of(key) };
      const told = new Planner(context);
      const registry = new Registry({ follow: (applied) => told.follow(applied) });
      registry.apply(WORLD);
      const kernels = new Map(TARGETS.map((target) => [target, kernel()]));
      let released = 0;
      for (const { batch, undone, asked, released: names } of steps) {
        registry.rehearse([undone]);
        applied(registry, batch);
        const fresh = new Planner(context);
        for (const target of asked) {
          const plan = told.plan(registry.state, target);
          expect(comparable(plan, target)).toEqual(comparable(fresh.plan(registry.state, target), target));
          kernels.get(target)!(plan, { revision: registry.revision, released });
        }
        if (names) released = registry.revision;
      }
    }),
    { numRuns: 25 },
  );
});

/** Of two services for one port of the host the first counts, and who is first may differ. */
const comparable = (plan: LbState, { kind }: LbTarget) =>
  kind === "host"
    ? plan.published
        .flatMap(single)
        .map(({ protocol, port, to }) => `${protocol} ${port} ${to.includes(":")}`)
        .sort()
    : normal(plan);

/** What one namespace holds from plan to plan; it throws at what no kernel would take. */
function kernel() {
  const model = new KernelModel();
  let [actual, left] = [EMPTY, NOTHING_LEFT];
  return (plan: LbState, permit: { readonly revision: number; readonly released: number }): void => {
    const leaving = leavingFrom(actual, plan, left, permit);
    const next = stage(plan, leaving, new Set(leaving.draining.map(({ task }) => task)));
    for (const op of diff(actual, next.state)) model.do(op);
    expect({ ...normal(model.state()), sysctls: {} }).toEqual({ ...normal(next.state), sysctls: {} });
    ({ state: actual, left } = next);
  };
}

function applied(registry: Registry, batch: readonly ChangeInput[]): void {
  try {
    registry.apply(batch);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
}
