/** Which network is asked first where several know a name: one reason above the other, whatever order they are listed in. */
import { expect, test } from "vitest";
import { Compiler } from "../../src/scoping/compile.ts";
import { precedence } from "../../src/scoping/precedence.ts";
import { changes, stateOf } from "../support/world.ts";

const NETWORKS = `
  network a bridge 10.0.1.0/24
  network b bridge 10.0.2.0/24
  network six bridge 10.0.3.0/24 fd00:3::/64
  network inn bridge internal 10.0.4.0/24 fd00:4::/64
  network over overlay 10.0.5.0/24
  network over2 overlay internal 10.0.6.0/24
  network mac macvlan 10.0.7.0/24
  network mesh overlay ingress 10.0.0.0/24
  network docker0 bridge default 172.17.0.0/16`;

test.each([
  ["by name", "a b", "a b"],
  ["two address families before one", "a six", "six a"],
  ["one that leads out before an internal one, whatever its families", "inn a", "a inn"],
  ["an overlay before any other, though it is internal", "six over2", "over2 six"],
  ["of overlays the one that leads out", "over over2", "over over2"],
  ["other drivers are the same", "a mac", "a mac"],
  ["a higher priority before all of that", "inn:1 over", "inn:1 over"],
  ["the highest first", "a:1 b:2", "b:2 a:1"],
  ["a negative one last", "a:-1 inn", "inn a:-1"],
  ["the same ones decide nothing", "a:5 over:5", "over:5 a:5"],
  ["all at once", "inn a b six over over2 mac", "over over2 six a b mac inn"],
  ["the mesh and the default bridge give no names", "a mesh docker0", "a"],
  ["not even first", "mesh:9 docker0:9 a", "a"],
])("%s: of %s: %s", (_name, listed, expected) => {
  const on = listed.split(" ").map((text) => {
    const [network, priority = "0"] = text.split(":");
    return ` on ${network} priority=${priority}`;
  });
  for (const attached of [on, [...on].reverse()]) {
    const state = stateOf(changes(`${NETWORKS}\n container c${attached.join("")}\n sandbox c`));
    const found = precedence(state.containers.get("c")!.endpoints, state);
    const text = found.map(
      ({ network, endpoint: { priority } }) => network.name + (priority === 0 ? "" : `:${priority}`),
    );
    expect(text.join(" ")).toBe(expected);
    const [scope] = new Compiler().compile(state, "all").scopes;
    expect(scope!.zones.join(" ")).toBe(expected.replaceAll(/:-?\d/g, ""));
  }
});

test("links with a name that DNS has no form for are none", () => {
  const text = "network n overlay 10.0.1.0/24\n container c on n link=db:a..b,a..b:x,a..b:c..d,db:ok\n sandbox c";
  const [scope] = new Compiler().compile(stateOf(changes(text)), "all").scopes;
  expect(scope!.links).toEqual([{ zone: "n", alias: "\x02ok", target: "\x02db" }]);
});
