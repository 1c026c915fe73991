import fc from "fast-check";
import { expect, test } from "vitest";
import { nameKey } from "../../src/model/name.ts";
import type { Change, ReadonlyState } from "../../src/model/types.ts";
import { RegistryError } from "../../src/registry/error.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { changes } from "../support/world.ts";

const NETS = "network n overlay 10.0.1.0/27 fd00::/64\n network m overlay 10.0.2.0/29";
const pick = <T>(...v: T[]) => fc.constantFrom(...v);
const on = fc.subarray(["n", "m"], { minLength: 1 }).map((nets) => nets.map((n) => `on ${n}`).join(" "));
const given = fc.oneof(
  { weight: 3, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 6 }).map((i) => `ip=10.0.1.${i}`) },
);

const step: fc.Arbitrary<Change> = fc
  .oneof(
    fc
      .tuple(pick("a", "b", "c"), pick("", "dnsrr"), pick("", "port=0:80/tcp", "port=80:80/tcp"), on)
      .map(([s, mode, port, o]) => `service ${s} ${mode} ${port} ${o} alias=x`),
    fc
      .tuple(pick("a", "b"), pick(1, 2, 3), pick("running", "draining"), pick("n", "m"))
      .map(([s, slot, state, n]) => `task ${s}.${slot} state=${state} on ${n}`),
    fc
      .tuple(pick("c1", "c2", "c3"), pick("c1", "C2", "other"), given)
      .map(([id, name, ip]) => `container ${name} id=${id} on n ${ip}`),
  )
  .map((line) => changes(line)[0]!);
const removal: fc.Arbitrary<Change> = fc.oneof(
  pick("a", "b", "c").map((id): Change => ({ kind: "service.remove", id })),
  pick("a-1-id", "a-2-id", "b-1-id").map((id): Change => ({ kind: "task.remove", id })),
  pick("c1", "c2", "c3").map((id): Change => ({ kind: "container.remove", id })),
);
const batches = fc.array(
  fc.array(fc.oneof({ weight: 3, arbitrary: step }, { weight: 1, arbitrary: removal }), { minLength: 1, maxLength: 4 }),
  { maxLength: 30 },
);

/** Applies what is accepted; refusals are part of life. */
function applied(registry: Registry, all: readonly Change[][]): void {
  for (const batch of all) {
    const before = text(registry.state);
    try {
      registry.apply(batch);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      expect(text(registry.state)).toBe(before);
    }
  }
}

const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
const text = (s: ReadonlyState): string => JSON.stringify([s.networks, s.services, s.tasks, s.containers].map(sorted));

function addresses(s: ReadonlyState): string[] {
  const vips = [...s.services.values()].flatMap((x) =>
    x.networks.flatMap((n) => [n.vip4, n.vip6].map((a) => a && `${n.network} ${a}`)),
  );
  const members = [...s.tasks.values(), ...s.containers.values()];
  const own = members.flatMap((x) => x.endpoints.flatMap((e) => [e.ip4, e.ip6].map((a) => a && `${e.network} ${a}`)));
  return [...vips, ...own].filter((a) => a !== undefined);
}

test("every reason for a refusal is found, the first one among them, and looking for them leaves no trace", () => {
  fc.assert(
    fc.property(batches, (all) => {
      const r = new Registry();
      r.apply(changes(NETS));
      for (const batch of all) {
        const before = text(r.state);
        const reasons = r.refusals(batch).map((e) => `${e.index} ${e.message}`);
        expect(text(r.state)).toBe(before);
        try {
          r.apply(batch);
          expect(reasons).toEqual([]);
        } catch (error) {
          const { index, message } = error as RegistryError;
          expect(reasons[0]).toBe(`${index} ${message}`);
        }
      }
    }),
  );
});

test("refused batches leave no trace, no address has two owners, and nothing leaks", () => {
  fc.assert(
    fc.property(batches, (all) => {
      const r = new Registry();
      r.apply(changes(NETS));
      const empty = text(r.state);
      applied(r, all);
      const used = addresses(r.state);
      expect(new Set(used).size).toBe(used.length);
      for (const id of [...r.state.services.keys()]) r.apply([{ kind: "service.remove", id }]);
      for (const id of [...r.state.containers.keys()]) r.apply([{ kind: "container.remove", id }]);
      expect(text(r.state)).toBe(empty);
      expect([r.state.tasks.size, r.state.tasksOf.size]).toEqual([0, 0]);
      // every address of the small network can be had again
      r.apply(changes(Array.from({ length: 5 }, (_, i) => `container all${i} on m`).join("\n")));
    }),
    { numRuns: 300 },
  );
});

test("whatever came before, what is there now loads into an empty registry and answers the same", () => {
  fc.assert(
    fc.property(batches, (all) => {
      const r = new Registry();
      const tables = new Tables();
      const compiler = new Compiler();
      r.on("change", ({ touched }) => tables.apply(compiler.compile(r.state, touched)));
      r.apply(changes(`${NETS}\n container w on n on m\n sandbox w`));
      applied(r, all);
      const fresh = new Registry();
      fresh.apply(everything(r.state));
      const whole = new Tables();
      whole.apply(new Compiler().compile(fresh.state, "all"));
      const names = [
        "a",
        "b",
        "c",
        "x",
        "tasks.a",
        "tasks.x",
        "1.a",
        "2.b",
        "c1",
        "c2",
        "other",
        "a.1.a-1-id",
        "_80._tcp.a",
      ].flatMap((n) => [n, `${n}.n`, `${n}.m`]);
      const answers = (t: Tables) =>
        names.flatMap((n) => [1, 28, 16, 33].map((type) => [n, type, t.scope("w")?.lookup(nameKey(n), type).data]));
      expect(answers(tables)).toEqual(answers(whole));
    }),
    { numRuns: 200 },
  );
});

const everything = (s: ReadonlyState): Change[] => [
  ...[...s.networks.values()].map((network): Change => ({ kind: "network.put", network })),
  ...[...s.services.values()].map((service): Change => ({ kind: "service.put", service })),
  ...[...s.tasks.values()].map((task): Change => ({ kind: "task.put", task })),
  ...[...s.containers.values()].map((container): Change => ({ kind: "container.put", container })),
  ...[...s.sandboxes.values()].map((sandbox): Change => ({ kind: "sandbox.put", sandbox })),
];
