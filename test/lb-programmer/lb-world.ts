/**
 * A state as text (see test/support/world.ts), with lines for what only the load balancer cares about:
 *
 *   balance web scheduler=lc affinity=60 drain=5
 *   weight web.1 3
 *   publish pub 8080:80/tcp [host|local]
 *   mesh pub on ingress vip=10.0.0.3 vip6=fd00::3
 */
import type { Balance, Change, Port, Protocol, ReadonlyState, Scheduler, Service } from "../../src/model/types.ts";
import { changes, stateOf, taskId } from "../support/world.ts";

const OURS = /^(balance|weight|publish|mesh) /;

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
  if (kind === "publish") return { ports: [...service.ports, port(words)] };
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

function port([text = "", how]: string[]): Port {
  const [, published, target, protocol] = /^(?:(\d+):)?(\d+)\/(\w+)$/.exec(text) ?? [];
  return {
    protocol: protocol as Protocol,
    target: Number(target),
    ...(published && { published: Number(published) }),
    mode: how === "host" ? "host" : "ingress",
    ...(how === "local" && { traffic: "local" as const }),
  };
}
