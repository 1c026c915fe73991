/** Names that come and go: what is above them, wildcards, and network names that fit more than one way. */
import { describe, expect, test } from "vitest";
import type { Change } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/scoping/policy.ts";
import { specialZone, under } from "../../src/scoping/special.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { look } from "../support/look.ts";
import { changes, stateOf } from "../support/world.ts";

function world(text: string, policy: Policy = DEFAULT_POLICY) {
  const registry = new Registry();
  const compiler = new Compiler(policy);
  const tables = new Tables();
  registry.on("change", ({ touched }) => tables.apply(compiler.compile(registry.state, touched)));
  registry.apply(changes(text));
  return {
    change: (batch: readonly Change[]): void => void registry.apply(batch),
    asked: (sandbox: string, ...names: string[]) => names.map((name) => look(tables, sandbox, `${name} A`)),
  };
}
const gone = (id: string): Change[] => [{ kind: "container.remove", id }];

const INTERNAL = `
  network inn overlay internal 10.0.9.0/24
  container c on inn ip=10.0.9.2 link=db:in.the.link,c:self
  container db on inn ip=10.0.9.3 alias=a.b.example
  sandbox c`;

test("a reverse zone is no task's name of a service whose alias is above it", () => {
  const { asked } = world(`
    network n overlay 10.0.1.0/24
    service web on n vip=10.0.1.2 alias=0.10.in-addr.arpa
    container c on n ip=10.0.1.9
    sandbox c`);
  const names = ["0.10.in-addr.arpa", "1.0.10.in-addr.arpa", "9.1.0.10.in-addr.arpa", "8.1.0.10.in-addr.arpa"];
  expect(asked("c", ...names)).toEqual(["10.0.1.2 ttl=600", "NODATA", "NODATA", "NXDOMAIN"]);
});

describe("what is above a name that stays here is not denied", () => {
  test("as long as it is there", () => {
    const { asked, change } = world(INTERNAL);
    const names = ["b.example", "example", "b.example.inn", "a.b.example", "x.example", "xample"];
    expect(asked("c", ...names)).toEqual([
      "blocked above",
      "blocked above",
      "blocked above",
      "10.0.9.3 ttl=5",
      "blocked",
      "blocked",
    ]);
    change(changes("container e on inn ip=10.0.9.4 alias=z.example"));
    change(gone("db"));
    expect(asked("c", ...names)).toEqual(["blocked", "blocked above", "blocked", "blocked", "blocked", "blocked"]);
    change(gone("e"));
    expect(asked("c", "example", "inn")).toEqual(["blocked", "blocked above"]);
  });

  test("links, too", () => {
    const { asked } = world(INTERNAL);
    expect(asked("c", "the.link", "link", "in.the.link", "self", "elf")).toEqual([
      "blocked above",
      "blocked above",
      "10.0.9.3 ttl=5",
      "10.0.9.2 ttl=5",
      "blocked",
    ]);
  });

  test("a link to nobody is not there, and what is above it is", () => {
    const { asked, change } = world(INTERNAL);
    change(gone("db"));
    expect(asked("c", "in.the.link", "the.link")).toEqual(["blocked", "blocked above"]);
  });

  test("a link is for the network it is on", () => {
    const { asked } = world(`
      network n overlay 10.0.1.0/24
      network m overlay 10.0.2.0/24
      container c on n ip=10.0.1.2 link=db:x,e:y on m ip=10.0.2.2
      container db on m ip=10.0.2.3
      container e on n ip=10.0.1.4
      sandbox c`);
    expect(asked("c", "db", "x", "x.m", "y", "y.n")).toEqual([
      "10.0.2.3 ttl=5",
      "forward",
      "forward",
      "10.0.1.4 ttl=5",
      "10.0.1.4 ttl=5",
    ]);
  });

  test("but whoever else is called so is", () => {
    const { asked, change } = world(INTERNAL);
    change(gone("db"));
    change(changes("container e on inn ip=10.0.9.4 alias=in.the.link"));
    expect(asked("c", "in.the.link")).toEqual(["10.0.9.4 ttl=5"]);
  });

  test("where reverse zones are, nobody's address is needed for it: localhost has its own there", () => {
    const tables = new Tables();
    tables.apply(
      new Compiler().compile(stateOf(changes("network n overlay internal\n container c on n\n sandbox c")), "all"),
    );
    const names = ["arpa", "in-addr.arpa", "ip6.arpa", "10.in-addr.arpa", "x.in-addr.arpa", "example"];
    expect(names.map((name) => look(tables, "c", `${name} A`))).toEqual([
      "blocked above",
      "blocked above",
      "blocked above",
      "blocked above",
      "blocked",
      "blocked",
    ]);
  });

  test("nor is the root, where the network's name is none in DNS", () => {
    const text = "network in..n overlay internal 10.0.9.0/24\n container c on in..n ip=10.0.9.2\n sandbox c";
    const tables = new Tables();
    tables.apply(new Compiler().compile(stateOf(changes(text)), "all"));
    expect(["", "n", "com"].map((name) => look(tables, "c", `${name} NS`))).toEqual([
      "blocked above",
      "blocked",
      "blocked",
    ]);
  });

  test("a name put again is there once", () => {
    const { asked, change } = world(INTERNAL);
    change(changes("container db on inn ip=10.0.9.9 alias=a.b.example"));
    change(gone("db"));
    expect(asked("c", "b.example")).toEqual(["blocked"]);
  });
});

describe("wildcards", () => {
  const WORLD = `
    network n overlay 10.0.1.0/24
    network m overlay 10.0.2.0/24
    container c on n ip=10.0.1.2 on m ip=10.0.2.2
    container app on m ip=10.0.2.3 alias=*.app
    container x on m ip=10.0.2.4 alias=there.app
    sandbox c`;
  test("below the closest name that exists", () => {
    const { asked } = world(WORLD);
    expect(asked("c", "a.app", "a.b.app", "there.app", "a.there.app", "a.app.m", "a.there.app.m", "a.app.n")).toEqual([
      "10.0.2.3 ttl=5",
      "10.0.2.3 ttl=5",
      "10.0.2.4 ttl=5",
      "forward",
      "10.0.2.3 ttl=5",
      "forward",
      "forward",
    ]);
  });

  test("gone with the last of them", () => {
    const { asked, change } = world(WORLD);
    change(changes("container y on m ip=10.0.2.5 alias=*.other"));
    change(gone("app"));
    expect(asked("c", "a.app", "a.other")).toEqual(["forward", "10.0.2.5 ttl=5"]);
    change(gone("y"));
    expect(asked("c", "a.other")).toEqual(["forward"]);
    change(changes("container z on n ip=10.0.1.5 alias=*"));
    expect(asked("c", "any", "any.thing", "any.n", "app.n")).toEqual([
      "10.0.1.5 ttl=5",
      "10.0.1.5 ttl=5",
      "10.0.1.5 ttl=5",
      "10.0.1.5 ttl=5",
    ]);
  });
});

describe("network names", () => {
  test("of two that fit, the shorter; a link counts as its target", () => {
    const { asked } = world(`
      network net overlay 10.0.1.0/24
      network a.net overlay 10.0.2.0/24
      container c on a.net ip=10.0.2.2 link=d:linked on net ip=10.0.1.2
      container d on a.net ip=10.0.2.3
      container e on net ip=10.0.1.4 alias=d.a
      container f on a.net ip=10.0.2.5
      sandbox c`);
    expect(asked("c", "d.a.net", "f.a.net", "linked.a.net", "linked.net", "net", "a.net", "et", "xa.net")).toEqual([
      "10.0.1.4 ttl=5",
      "10.0.2.5 ttl=5",
      "10.0.2.3 ttl=5",
      "forward",
      "forward",
      "forward",
      "forward",
      "forward",
    ]);
  });
});

test("in mid-label there is no zone with a meaning of its own", () => {
  expect([under("\x01x\x09localhost", "\x09localhost"), specialZone("\x01x\x09localhost")?.apex]).toEqual([
    true,
    "\x09localhost",
  ]);
  expect([under("\x0bx\x09localhost", "\x09localhost"), specialZone("\x0bx\x09localhost")]).toEqual([false, undefined]);
});

describe("labels and ids", () => {
  test("a short id is twelve characters", () => {
    const { asked } = world(`
      network n overlay 10.0.1.0/24
      container c id=aaaaaaaaaaaa on n ip=10.0.1.2
      container d id=bbbbbbbbbbb on n ip=10.0.1.3
      sandbox c of=aaaaaaaaaaaa`);
    expect(asked("c", "aaaaaaaaaaaa", "bbbbbbbbbbb", "d")).toEqual(["10.0.1.2 ttl=5", "forward", "10.0.1.3 ttl=5"]);
  });

  test("hostnames where they are wanted, each by itself", () => {
    const text = "network n overlay 10.0.1.0/24\n container c host=h on n ip=10.0.1.2\n sandbox c";
    expect(world(text, { ...DEFAULT_POLICY, hostnames: true }).asked("c", "h", "c")).toEqual([
      "10.0.1.2 ttl=5",
      "10.0.1.2 ttl=5",
    ]);
  });
});

test.each([
  ["12.web A", "NXDOMAIN"],
  ["0.web A", "NXDOMAIN"],
  ["1x.web A", "forward"],
  ["1x1.web A", "forward"],
  ["x1.web A", "forward"],
  ["_x.tcp.web SRV", "forward"],
  ["_x._tcp.web SRV", "NXDOMAIN"],
  ["nosuch AAAA", "search"],
  ["web ANY", "RFC8482| ttl=3600"],
  ["9.1.0.10.in-addr.arpa PTR", "NXDOMAIN"], // one upstream is for another domain, one for all there are
  ["x.corp A", "forward"],
])("below a service, and beside it: %s: %s", (question, expected) => {
  const tables = new Tables();
  const state = stateOf(
    changes(`
      network n overlay 10.0.1.0/24 up=192.0.2.1@corp,192.0.2.2@.
      service web on n vip=10.0.1.2
      container c on n ip=10.0.1.3
      sandbox c ndots=0`),
  );
  tables.apply(new Compiler().compile(state, "all"));
  expect(look(tables, "c", question)).toBe(expected);
});

test("the shorter network name wins also where the other network is asked later", () => {
  const { asked } = world(`
    network net overlay 10.0.1.0/24
    network a.net overlay 10.0.2.0/24
    container c on a.net ip=10.0.2.2 on net ip=10.0.1.2 priority=10
    container d on a.net ip=10.0.2.3
    container e on net ip=10.0.1.4 alias=d.a
    sandbox c`);
  expect(asked("c", "d.a.net")).toEqual(["10.0.1.4 ttl=5"]);
});
