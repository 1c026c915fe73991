/** Docker's event table (libnetwork agent.go handleEpTableEvent): what a record was, what it becomes, and what answers then. */
import { expect, test } from "vitest";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { look } from "../support/look.ts";
import { changes, taskId } from "../support/world.ts";

const STATES: Record<string, string> = {
  absent: "",
  enabled: "task web.1 on n ip=10.0.1.10",
  disabled: "task web.1 state=draining on n ip=10.0.1.10",
  "another address": "task web.1 on n ip=10.0.1.11",
  "another address, disabled": "task web.1 state=draining on n ip=10.0.1.11",
};
const ANSWER: Record<string, string> = {
  absent: "NODATA",
  enabled: "10.0.1.10 ttl=5",
  disabled: "NODATA",
  "another address": "10.0.1.11 ttl=5",
  "another address, disabled": "NODATA",
};

const pairs = Object.keys(STATES).flatMap((from) => Object.keys(STATES).map((to) => [from, to] as const));

test.each(pairs)("%s, then %s", (from, to) => {
  const registry = new Registry();
  const compiler = new Compiler();
  const tables = new Tables();
  registry.on("change", ({ touched }) => tables.apply(compiler.compile(registry.state, touched)));
  registry.apply(changes("network n overlay 10.0.1.0/24\n service web on n alias=www\n container c on n\n sandbox c"));
  for (const state of [from, to]) {
    if (state === "absent") registry.apply([{ kind: "task.remove", id: taskId("web.1") }]);
    else registry.apply(changes(STATES[state]!));
  }
  for (const name of ["tasks.web", "tasks.www"]) expect(look(tables, "c", `${name} A`), name).toBe(ANSWER[to]);
  const own = ANSWER[to] === "NODATA" ? "NXDOMAIN" : ANSWER[to];
  expect(look(tables, "c", "1.web A")).toBe(own);
  expect(look(tables, "c", "web A")).toBe("10.0.1.2 ttl=600"); // the VIP and its name stay, whatever the tasks do
  const pointed = ["10", "11"].map((last) => look(tables, "c", `${last}.1.0.10.in-addr.arpa PTR`) !== "NXDOMAIN");
  expect(pointed).toEqual([ANSWER[to] === "10.0.1.10 ttl=5", ANSWER[to] === "10.0.1.11 ttl=5"]);
});

test("vip to dnsrr and back: no old VIP stays, no name is lost (moby #36988, #38575)", () => {
  const registry = new Registry();
  const compiler = new Compiler();
  const tables = new Tables();
  registry.on("change", ({ touched }) => tables.apply(compiler.compile(registry.state, touched)));
  registry.apply(
    changes("network n overlay 10.0.1.0/24\n service web on n\n task web.1 on n\n container c on n\n sandbox c"),
  );
  const seen = () => ["web A", "tasks.web A", "2.1.0.10.in-addr.arpa PTR"].map((q) => look(tables, "c", q));
  expect(seen()).toEqual(["10.0.1.2 ttl=600", "10.0.1.3 ttl=5", "web.n ttl=600"]);
  registry.apply(changes("service web dnsrr on n"));
  expect(seen()).toEqual(["10.0.1.3 ttl=5", "10.0.1.3 ttl=5", "NXDOMAIN"]);
  registry.apply(changes("service web on n vip=10.0.1.2"));
  expect(seen()).toEqual(["10.0.1.2 ttl=600", "10.0.1.3 ttl=5", "web.n ttl=600"]);
});

test.each([
  ["an alias that goes (moby #43528)", "service web on n alias=www", "service web on n", "www A", "forward"],
  ["an alias that comes (moby #44009)", "service web on n", "service web on n alias=www", "www A", "10.0.1.2 ttl=600"],
  [
    "tasks of an alias (moby #48561)",
    "service web on n",
    "service web on n alias=www",
    "tasks.www A",
    "10.0.1.3 ttl=5",
  ],
  ["a renamed service", "service web on n", "", "web A", "forward"],
])("%s", (_, before, after, question, expected) => {
  const registry = new Registry();
  const compiler = new Compiler();
  const tables = new Tables();
  registry.on("change", ({ touched }) => tables.apply(compiler.compile(registry.state, touched)));
  registry.apply(changes(`network n overlay 10.0.1.0/24\n${before}\n task web.1 on n\n container c on n\n sandbox c`));
  if (after === "")
    registry.apply([{ kind: "service.put", service: { ...registry.state.services.get("web")!, name: "shop" } }]);
  else registry.apply(changes(after));
  expect(look(tables, "c", question)).toBe(expected);
  if (after === "") expect(look(tables, "c", "tasks.shop A")).toBe("10.0.1.3 ttl=5");
});
