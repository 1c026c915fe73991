/** Which upstreams a sandbox has, and what changes when a resolv.conf does. */
import { describe, expect, test } from "vitest";
import type { Change, Sandbox, Upstream } from "../../src/model/types.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { DEFAULT_POLICY } from "../../src/scoping/policy.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { look } from "../support/look.ts";
import { changes, stateOf } from "../support/world.ts";

/** "1 8/corp 9@host 2@/run/netns/a": 192.0.2.x, for a suffix, of the host's, or behind a namespace. */
const upstreams = (text: string): Upstream[] =>
  text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const [, last, domain, place] = /^(\d+)(?:\/(\w*))?(?:@(.*))?$/.exec(word)!;
      return {
        address: `192.0.2.${last}`,
        port: 53,
        ...(domain !== undefined && { domains: [domain] }),
        ...(place === "host" ? { host: true } : place !== undefined && { netns: place }),
      };
    });
const textOf = (list: readonly Upstream[]): string =>
  list
    .map(({ address, domains, host, netns }) => {
      const place = netns ?? (host ? "host" : undefined);
      return address.slice(8) + (domains ? `/${domains}` : "") + (place ? `@${place}` : "");
    })
    .join(" ");

const put = (text: string, given: Partial<Sandbox>): Change[] =>
  changes(text).map((c) => (c.kind === "sandbox.put" ? { ...c, sandbox: { ...c.sandbox, ...given } } : c));

describe("servers for a suffix add up, those for everything come from the first that has any", () => {
  const world = (one: string, two: string) => `
    network a overlay 10.0.1.0/24 ${one === "" ? "" : `up=${one}`}
    network b overlay ${two} 10.0.2.0/24
    container c on a ip=10.0.1.5 on b ip=10.0.2.5
    sandbox c`;
  test.each<[string, Change[], string, string, string]>([
    ["none", put(world("", ""), {}), "", "", ""],
    ["the node's", put(world("", ""), {}), "", "9 8/corp", "8/corp 9"],
    ["its own file's", put(world("", ""), {}), "5 6/lab", "9 8/corp", "6/lab 8/corp 5"],
    ["a network's", put(world("192.0.2.3,192.0.2.4@net", ""), {}), "5 6/lab", "9 8/corp", "4/net 6/lab 8/corp 3"],
    [
      "its own",
      put(world("192.0.2.3,192.0.2.4@net", ""), { upstreams: upstreams("1 2/own") }),
      "5",
      "9",
      "2/own 4/net 1",
    ],
    ["its own for a suffix only", put(world("", ""), { upstreams: upstreams("2/own") }), "5", "9", "2/own 5"],
    ["it says none", put(world("192.0.2.3", ""), { upstreams: [] }), "5 6/lab", "9 8/corp", ""],
    ["in its namespace", put(world("", ""), { netns: "/n" }), "5", "9 8/corp", "8/corp@/n 5@/n"],
    ["but the host's", put(world("", ""), { netns: "/n" }), "", "9@host 8/corp", "8/corp@/n 9@host"],
    ["one network of two leads out", put(world("192.0.2.3", "internal"), {}), "", "9", "3"],
  ])("%s", (_name, all, found, node, expected) => {
    const compiler = new Compiler({ ...DEFAULT_POLICY, upstreams: upstreams(node) });
    const tables = new Tables();
    const state = stateOf(all);
    tables.apply(compiler.compile(state, "all"));
    tables.apply(compiler.changeSandboxUpstreams(state, "c", { upstreams: upstreams(found), ndots: false }));
    expect(textOf(tables.scope("c")!.upstreams)).toBe(expected);
  });

  test("nothing leads out: none, whoever has some", () => {
    const compiler = new Compiler({ ...DEFAULT_POLICY, upstreams: upstreams("9") });
    const text =
      "network a overlay internal 10.0.1.0/24 up=192.0.2.3\n container c on a\n sandbox c up=192.0.2.1\n sandbox x";
    const [c, x] = compiler.compile(stateOf(changes(text)), "all").scopes;
    expect([c!.upstreams, c!.internal]).toEqual([[], true]);
    expect([textOf(x!.upstreams), x!.internal]).toEqual(["9", false]); // on no network at all
  });
});

describe("a file that changes", () => {
  const text = `
    network a overlay 10.0.1.0/24
    container c on a ip=10.0.1.5
    container d on a ip=10.0.1.6
    sandbox c
    sandbox d`;
  const state = stateOf(changes(text), 7);
  const NOTHING = { revision: 7, names: [], zones: [], removedScopes: [] };

  test("the node's: all sandboxes' scopes, and nothing else", () => {
    const compiler = new Compiler();
    const tables = new Tables();
    tables.apply(compiler.compile(state, "all"));
    const patch = compiler.changeUpstreams(state, { upstreams: upstreams("9"), ndots: true });
    expect(patch).toMatchObject(NOTHING);
    tables.apply(patch);
    expect(["c", "d"].map((id) => textOf(tables.scope(id)!.upstreams))).toEqual(["9", "9"]);
    expect(look(tables, "c", "nosuch A")).toBe("search");
    tables.apply(compiler.changeUpstreams(state, { upstreams: [], ndots: false }));
    expect(look(tables, "c", "nosuch A")).toBe("forward");
  });

  test("a sandbox's: its scope alone; it stays when others change; gone, the node's stands again", () => {
    const compiler = new Compiler({ ...DEFAULT_POLICY, upstreams: upstreams("9"), ndots: true });
    const tables = new Tables();
    tables.apply(compiler.compile(state, "all"));
    const patch = compiler.changeSandboxUpstreams(state, "c", { upstreams: upstreams("5"), ndots: false });
    expect(patch).toMatchObject({ ...NOTHING, scopes: [{ id: "c" }] });
    tables.apply(patch);
    const seen = () => ["c", "d"].map((id) => `${textOf(tables.scope(id)!.upstreams)} ${look(tables, id, "nosuch A")}`);
    expect(seen()).toEqual(["5 forward", "9 search"]);
    tables.apply(compiler.changeUpstreams(state, { upstreams: upstreams("8"), ndots: true }));
    expect(seen()).toEqual(["5 forward", "8 search"]);
    tables.apply(compiler.changeSandboxUpstreams(state, "c", undefined));
    expect(seen()).toEqual(["8 search", "8 search"]);
    expect(compiler.changeSandboxUpstreams(state, "nobody", undefined)).toEqual({ ...NOTHING, scopes: [] });
  });
});
