import fc from "fast-check";
import { expect, test } from "vitest";
import type { Change, Touched } from "../../src/model/types.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { look } from "../support/look.ts";
import { changes, stateOf } from "../support/world.ts";

const FIXED = changes(`
  network n1 overlay 10.0.1.0/24
  network n2 bridge 10.0.2.0/24
  container watcher on n1 ip=10.0.1.250 link=c1:linked on n2 ip=10.0.2.250
  sandbox watcher
`);

/** Every name that the objects below can have. */
const QUESTIONS = [
  "s1",
  "s2",
  "x",
  "tasks.s1",
  "tasks.s2",
  "tasks.x",
  "1.s1",
  "2.s1",
  "s1.1.s1-1-id",
  "c1",
  "c2",
  "linked",
  "*.w",
  "a.w",
  "_80._tcp.s1",
  "_80._tcp.x",
]
  .flatMap((n) => [`${n} A`, `${n}.n1 A`, `${n}.n2 A`, `${n} TXT`, `${n} SRV`])
  .concat(Array.from({ length: 12 }, (_, i) => `${i}.1.0.10.in-addr.arpa PTR`));

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const net = pick("n1", "n2");
const line = fc.oneof(
  fc
    .tuple(
      pick("s1", "s2"),
      pick("", "dnsrr", "publish=starting"),
      pick("", "port=80/tcp"),
      net,
      pick("", "alias=x", "alias=x,s2", "alias=*.w"),
      fc.nat(1),
    )
    .map(
      ([name, mode, port, n, alias, v]) => `service ${name} ${mode} ${port} on ${n} vip=10.0.${n[1]}.${v + 1} ${alias}`,
    ),
  fc
    .tuple(
      pick("s1", "s2"),
      pick(1, 2),
      pick("running", "starting", "draining", "stopped"),
      pick("none", "healthy", "unhealthy"),
      net,
      fc.nat(2),
    )
    .map(
      ([s, slot, state, health, n, ip]) =>
        `task ${s}.${slot} state=${state} health=${health} on ${n} ip=10.0.${n[1]}.${slot + ip + 2}`,
    ),
  fc
    .tuple(pick("c1", "c2"), pick("running", "stopped", "paused"), net, pick("", "alias=x", "alias=s1"), fc.nat(2))
    .map(([c, state, n, alias, ip]) => `container ${c} state=${state} on ${n} ip=10.0.${n[1]}.${ip + 8} ${alias}`),
);
const step = fc.oneof(
  { weight: 4, arbitrary: line },
  { weight: 1, arbitrary: pick("-s1", "-s2", "-s1.1", "-s2.2", "-c1", "-c2") },
);

test("patches, one by one in any order, give what the whole compiles to: no phantom, nothing lost", () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 25 }), (batches) => {
      const compiler = new Compiler();
      const tables = new Tables();
      const objects = new Map<string, Change>();
      const put = (c: Change) => objects.set(idOf(c), c);
      FIXED.forEach(put);
      tables.apply(compiler.compile(stateOf([...objects.values()]), "all"));
      for (const batch of batches) {
        const touched = none();
        for (const s of batch) {
          const ids = s.startsWith("-") ? removed(s.slice(1), objects) : [idOf(changes(s)[0]!)];
          for (const id of ids) touch(touched, id);
          if (s.startsWith("-")) for (const id of ids) objects.delete(id);
          else put(changes(s)[0]!);
        }
        tables.apply(compiler.compile(stateOf([...objects.values()]), touched));
      }
      const whole = new Tables();
      whole.apply(new Compiler().compile(stateOf([...objects.values()]), "all"));
      const answers = (t: Tables) => QUESTIONS.map((q) => `${q}: ${look(t, "watcher", q)}`);
      expect(answers(tables)).toEqual(answers(whole));
    }),
    { numRuns: 400 },
  );
});

const none = () => ({
  networks: new Set<string>(),
  services: new Set<string>(),
  tasks: new Set<string>(),
  containers: new Set<string>(),
  sandboxes: new Set<string>(),
  tasksOf: new Set<string>(),
});

function touch(touched: ReturnType<typeof none> & Touched, id: string): void {
  const [kind = "", name = ""] = id.split(":");
  touched[`${kind}s` as "services" | "tasks" | "containers"].add(name);
}

function idOf(c: Change): string {
  const object = Object.values(c).find((v) => typeof v === "object") as { id: string };
  return `${c.kind.split(".")[0]}:${object.id}`;
}

/** As the registry does it: a service's tasks go with it. */
function removed(name: string, objects: ReadonlyMap<string, Change>): string[] {
  if (name.startsWith("c")) return [`container:${name}`];
  if (name.includes(".")) return [`task:${name.replace(".", "-")}-id`];
  const tasks = [...objects.values()].flatMap((c) =>
    c.kind === "task.put" && c.task.service === name ? [`task:${c.task.id}`] : [],
  );
  return [`service:${name}`, ...tasks];
}
