/**
 * A state as text (see test/support/world.ts), with lines for what only the load balancer cares about:
 *
 *   balance web scheduler=lc affinity=60 drain=5
 *   weight web.1 3
 *   publish pub 8080:80/tcp [host|local] from=10.0.0.0/8,fd00::/8
 *   publish pub 8000-8010:8000-8010/tcp
 *   declared web
 *   mesh pub on ingress vip=10.0.0.3 vip6=fd00::3
 */

import { eachPort } from "../../src/model/port-range.ts";
import type { Balance, Change, Port, Protocol, ReadonlyState, Scheduler, Service } from "../../src/model/types.ts";
import { changes, stateOf, taskId } from "../support/world.ts";

const OURS = /^(balance|weight|publish|mesh|declared) /;

export function lbWorld(text: string, revision = 1): ReadonlyState {
  const lines = text.split("\n").map((l) => l.replace(/#.*/, "").trim());
  const all = changes(lines.filter((l) => !OURS.test(l)).join("\n"));
  for (const line of lines.filter((l) => OURS.test(l))) patch(all, line);
  return stateOf(all, revision);
}

function patch(all: Change[], line: string): void {
  const [kind, name = "", ...words] = line.split(/\s+/);
  const o = Object.fromEntries(words.filter((w) => w.includes("=")).map((w) => w.split("=") as [string, string]));
  if (kind === "weight") {
    const i = all.findIndex((c) => c.kind === "task.put" && c.task.id === taskId(name));
    const change = all[i];
    if (change?.kind !== "task.put") throw new Error(`no task ${name}`);
    all[i] = { ...change, task: { ...change.task, weight: Number(words[0]) } };
    return;
  }
  const i = all.findIndex((c) => c.kind === "service.put" && c.service.id === name);
  const change = all[i];
  if (change?.kind !== "service.put") throw new Error(`no service ${name}`);
  const { service } = change;
  all[i] = { ...change, service: { ...service, ...part(kind!, service, words, o) } };
}

function part(kind: string, service: Service, words: string[], o: Record<string, string>): Partial<Service> {
  if (kind === "publish") return { ports: [...service.ports, ...ports(words, o["from"])] };
  if (kind === "declared") return { vipPorts: "declared" };
  if (kind === "mesh")
    return {
      mesh: {
        network: words[1] ?? "ingress",
        ...(o["vip"] && { vip4: o["vip"] }),
        ...(o["vip6"] && { vip6: o["vip6"] }),
      },
    };
  const balance: Balance = {
    ...(o["scheduler"] && { scheduler: o["scheduler"] as Scheduler }),
    ...(o["affinity"] && { affinity: Number(o["affinity"]) }),
    ...(o["drain"] && { drain: Number(o["drain"]) }),
  };
  return { balance };
}

function ports([text = "", how]: string[], from: string | undefined): readonly Port[] {
  const [, published, target = "", protocol] = /^(?:([\d-]+):)?([\d-]+)\/(\w+)$/.exec(text) ?? [];
  const numbers = (range: string) => (range.includes("-") ? range : Number(range));
  return eachPort({
    protocol: protocol as Protocol,
    target: numbers(target),
    ...(published && { published: numbers(published) }),
    mode: how === "host" ? ("host" as const) : ("ingress" as const),
    ...(how === "local" && { traffic: "local" as const }),
    ...(from !== undefined && { sources: from.split(",") }),
  });
}
