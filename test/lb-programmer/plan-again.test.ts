/** What a planner keeps between plans: the very same objects, as long as nothing in them can be another. */
import { describe, expect, test } from "vitest";
import { Marks } from "../../src/lb-programmer/marks.ts";
import { Planner } from "../../src/lb-programmer/plan/planner.ts";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import type { ReadonlyState, Service } from "../../src/model/types.ts";
import { lbWorld } from "./lb-world.ts";

const CLIENT = { kind: "sandbox", id: "sandbox/client", sandbox: "client" } as const satisfies LbTarget;
const INGRESS = { kind: "ingress", id: "ingress", network: "ingress", device: "eth0" } as const satisfies LbTarget;
const NETS = `
  network mynet overlay 10.0.1.0/24 fd00:1::/64
  network ingress overlay ingress 10.0.0.0/24
  sandbox client`;
const CLIENT_WEB = `${NETS}
  container client on mynet ip=10.0.1.32
  service web on mynet vip=10.0.1.4
  task web.1 on mynet ip=10.0.1.5
  task web.2 on mynet ip=10.0.1.6
  sandbox web.1`;

const planner = (marks: (key: string) => number = marksOf()): Planner =>
  new Planner({ placement: "sandbox", marks, node: "node-1", sysctls: {} });
function marksOf(): (key: string) => number {
  const marks = new Marks();
  return (key) => marks.of(key);
}

test("the time that tasks have to leave goes along", () => {
  const world = lbWorld(`${CLIENT_WEB}
    service api on mynet vip=10.0.1.8
    balance api drain=5`);
  const { servers } = planner().plan(world, CLIENT);
  expect(servers.map((s) => [s.key, s.forwarding, Object.hasOwn(s, "drain"), s.drain])).toEqual([
    ["web/mynet/4", "masquerade", false, undefined],
    ["api/mynet/4", "masquerade", true, 5],
  ]);
});

test("servers in which nothing can be another are the same objects", () => {
  const marks = new Marks();
  let moved = 0;
  const plans = planner((key) => marks.of(key) + moved);
  const state = lbWorld(`${CLIENT_WEB}
    service api on mynet vip=10.0.1.8
    task api.1 on mynet ip=10.0.1.9`);
  const [web, api] = plans.plan(state, CLIENT).servers;
  const task = state.tasks.get("api-1-id")!;
  const tasks = new Map(state.tasks).set(task.id, { ...task, weight: 7 });
  const later = plans.plan({ ...state, tasks, revision: 2 }, CLIENT).servers;
  expect(later[0]).toBe(web);
  expect(plans.plan(state, { ...CLIENT, id: "sandbox/other", sandbox: "client" }).servers[0]).toBe(web);
  expect(later[1]).toEqual({ ...api, scheduler: "wrr", destinations: [{ address: "10.0.1.9", weight: 7 }] });
  moved = 700; // a mark that was freed and given to another
  expect(plans.plan(state, CLIENT).servers[0]).toEqual({ ...web, mark: 956 });
});

const withService = (state: ReadonlyState, service: Service): ReadonlyState => ({
  ...state,
  services: new Map(state.services).set(service.id, service),
});

describe("servers are made anew", () => {
  const state = lbWorld(CLIENT_WEB);

  test("for a service that is balanced otherwise", () => {
    const plans = planner();
    plans.plan(state, CLIENT);
    const web = { ...state.services.get("web")!, balance: { affinity: 60 } };
    expect(plans.plan(withService(state, web), CLIENT).servers[0]?.affinity).toBe(60);
  });

  test("for a service with declared ports only, and once more as it was", () => {
    const plans = planner();
    const before = plans.plan(state, CLIENT).servers[0];
    const web = { ...state.services.get("web")!, vipPorts: "declared" as const };
    const declared = withService(state, web);
    const [server] = plans.plan(declared, CLIENT).servers;
    expect(server).toEqual({ ...before, only: [] });
    expect(plans.plan(declared, CLIENT).servers[0]).toBe(server);
    expect(plans.plan(state, CLIENT).servers[0]).toEqual(before);
  });

  test("without the task that went last", () => {
    const plans = planner();
    plans.plan(state, CLIENT);
    const tasksOf = new Map([["web", new Set(["web-1-id"])]]);
    expect(plans.plan({ ...state, tasksOf }, CLIENT).servers[0]?.destinations).toEqual([
      { address: "10.0.1.5", weight: 1 },
    ]);
  });

  test("if one of its marks is another", () => {
    let moved = 0;
    const plans = planner((key) => (key.endsWith("/6") ? 300 + moved : 256));
    const dual = lbWorld(`${CLIENT_WEB}
      service web on mynet vip=10.0.1.4 vip6=fd00:1::4`);
    expect(plans.plan(dual, CLIENT).servers.map((s) => s.mark)).toEqual([256, 300]);
    moved = 1;
    expect(plans.plan(dual, CLIENT).servers.map((s) => s.mark)).toEqual([256, 301]);
  });
});

test("tasks of other nodes are nothing to servers that have none of them", () => {
  const state = lbWorld(`${NETS}
    service pub on mynet vip=10.0.1.13
    mesh pub on ingress vip=10.0.0.3
    publish pub 8080:80/tcp
    publish pub 8443:443/tcp local
    task pub.1 node=node-2 on ingress ip=10.0.0.4
    task pub.2 on ingress ip=10.0.0.5`);
  const plans = planner();
  const [cluster, local] = plans.plan(state, INGRESS).servers;
  expect(local?.destinations).toEqual([{ address: "10.0.0.5", weight: 1 }]);
  const again = plans.plan(state, INGRESS).servers;
  expect([again[0] === cluster, again[1] === local]).toEqual([true, true]);
  const elsewhere = state.tasks.get("pub-1-id")!;
  const tasks = new Map(state.tasks).set(elsewhere.id, { ...elsewhere, state: "draining" });
  const later = plans.plan({ ...state, tasks }, INGRESS).servers;
  expect([later[0] === cluster, later[1] === local]).toEqual([false, true]);
});

describe("which services have VIPs on a network", () => {
  const WORLD = `${CLIENT_WEB}
    service six on mynet vip6=fd00:1::8
    service none on mynet
    service rr dnsrr on mynet vip=10.0.1.9
    service last on mynet vip=10.0.1.12`;
  const keys = (plans: Planner, state: ReadonlyState): string[] => plans.plan(state, CLIENT).servers.map((s) => s.key);

  test("those in vip mode that have one", () => {
    expect(keys(planner(), lbWorld(WORLD))).toEqual(["web/mynet/4", "six/mynet/6", "last/mynet/4"]);
  });

  test.each<[string, (services: Map<string, Service>) => void, string[]]>([
    ["went last", (services) => services.delete("last"), ["web/mynet/4", "six/mynet/6"]],
    [
      "came",
      (services) => services.set("new", { ...services.get("web")!, id: "new" }),
      ["web/mynet/4", "six/mynet/6", "last/mynet/4", "new/mynet/4"],
    ],
    [
      "was put again",
      (services) => services.set("six", { ...services.get("six")!, mode: "dnsrr" }),
      ["web/mynet/4", "last/mynet/4"],
    ],
  ])("is found out again by who was not told, when one %s", (_, change, expected) => {
    const plans = planner();
    const state = lbWorld(WORLD);
    const services = new Map(state.services);
    keys(plans, state);
    change(services);
    expect(keys(plans, { ...state, services, revision: 2 })).toEqual(expected);
  });
});
