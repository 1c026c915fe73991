import { describe, expect, test } from "vitest";
import { keyName, nameKey } from "../../src/model/name.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { explainName } from "../../src/scoping/explain.ts";
import { DEFAULT_POLICY } from "../../src/scoping/policy.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { rdataTexts } from "../../src/wire/rdata-text.ts";
import { typeNumber } from "../support/packets.ts";
import { changes, stateOf } from "../support/world.ts";

const state = stateOf(
  changes(`
  network mynet overlay 10.0.1.0/24
  network net bridge 10.0.2.0/24
  network shut bridge internal 10.0.3.0/24
  service web port=http:80/tcp on mynet vip=10.0.1.2 alias=www,both
  task web.1 on mynet ip=10.0.1.3
  container both on net ip=10.0.2.4
  container wild on net ip=10.0.2.5 alias=*.app
  container c1 on mynet ip=10.0.1.9 link=web:linked,gone:broken on net ip=10.0.2.9
  container in on shut ip=10.0.3.2
  container nd on mynet ip=10.0.1.50
  sandbox c1
  sandbox in
  sandbox nd ndots=0
`),
);
const compiler = new Compiler(DEFAULT_POLICY);
const tables = new Tables();
tables.apply(compiler.compile(state, "all"));

function explained(sandbox: string, name: string, type: string) {
  const key = nameKey(name);
  return explainName(tables.scope(sandbox)!, tables.spec(sandbox)!.zones, key, typeNumber(type));
}

/** "link mynet web" for each look, "+" behind the one that found it; then what decided. */
function text(sandbox: string, question: string): string {
  const [name = "", type = "A"] = question.split(" ");
  const { tried, rule, found } = explained(sandbox, name, type);
  const steps = tried.map((t) => `${t.as} ${t.network} ${keyName(t.key)}${t.found ? " +" : ""}`);
  expect(found?.found ?? false).toBe(steps.some((s) => s.endsWith("+")));
  return [...steps, ...(rule === undefined ? [] : [rule])].join("; ");
}

describe("where a name was looked for, and where it was found", () => {
  test.each`
    sandbox | question                       | steps
    ${"c1"} | ${"web"}                       | ${"name mynet web +"}
    ${"c1"} | ${"both"}                      | ${"name mynet both +"}
    ${"c1"} | ${"wild"}                      | ${"name mynet wild; name net wild +"}
    ${"c1"} | ${"linked"}                    | ${"link mynet web +"}
    ${"c1"} | ${"web.mynet"}                 | ${"name mynet web.mynet; name net web.mynet; qualified mynet web +"}
    ${"c1"} | ${"linked.mynet"}              | ${"name mynet linked.mynet; name net linked.mynet; qualified mynet web +"}
    ${"c1"} | ${"x.app"}                     | ${"name mynet x.app; name net x.app; wildcard net *.app +"}
    ${"c1"} | ${"x.app.net"}                 | ${"name mynet x.app.net; name net x.app.net; qualified net x.app; wildcard net *.app +"}
    ${"c1"} | ${"example.com"}               | ${"name mynet example.com; name net example.com; no network of the sandbox knows it: it is forwarded"}
    ${"c1"} | ${"9.web"}                     | ${"name mynet 9.web; name net 9.web; below a name of a service: nobody outside can know it"}
    ${"c1"} | ${"localhost"}                 | ${"name mynet localhost; name net localhost; a special name (RFC 6761, 6303): it is never forwarded"}
    ${"in"} | ${"example.com"}               | ${"name shut example.com; no network knows it, and they are all internal: nothing is forwarded"}
    ${"nd"} | ${"nope"}                      | ${"name mynet nope; no network knows it, it is one label, and ndots is set: the C library goes on with its search list"}
    ${"nd"} | ${"7.1.0.10.in-addr.arpa PTR"} | ${"name mynet 7.1.0.10.in-addr.arpa; an address of the sandbox's networks that nobody has: it is not forwarded"}
  `("$sandbox asks $question", ({ sandbox, question, steps }) => {
    expect(text(sandbox, question)).toBe(steps);
  });
});

describe("who says so", () => {
  test.each([
    ["mynet", "web", "service web: A 10.0.1.2, TXT"],
    ["mynet", "tasks.web", "service web: ; task web-1-id: A 10.0.1.3"],
    ["mynet", "nobody", ""],
  ])("on %s, %s", (network, name, expected) => {
    const claims = compiler.claimants(network, nameKey(name));
    const told = claims.map(({ kind, id, records }) => {
      const sets = records.map((set) => (set.type === 16 ? "TXT" : `A ${rdataTexts(set).join(" ")}`));
      return `${kind} ${id}: ${sets.join(", ")}`;
    });
    expect(told.join("; ")).toBe(expected);
  });
});

test("what was found is what the lookup answers from, whatever is asked", () => {
  const labels = [
    "web",
    "tasks",
    "1",
    "both",
    "wild",
    "x",
    "app",
    "linked",
    "broken",
    "mynet",
    "net",
    "shut",
    "c1",
    "in",
  ];
  const names = labels.flatMap((a) => [
    a,
    ...labels.flatMap((b) => [`${a}.${b}`, ...labels.map((c) => `${a}.${b}.${c}`)]),
  ]);
  for (const sandbox of ["c1", "in", "nd"])
    for (const name of names) {
      const { outcome, found } = explained(sandbox, name, "A");
      if (found === undefined) expect(outcome.count, `${sandbox} ${name}`).toBe(0);
      else {
        const claimed = compiler
          .claimants(found.network, found.key)
          .flatMap((c) => c.records.filter((r) => r.type === 1));
        const addresses = [...new Set(claimed.flatMap(rdataTexts))].sort();
        expect(rdataTexts(outcome).sort(), `${sandbox} ${name}`).toEqual(addresses);
      }
    }
});
