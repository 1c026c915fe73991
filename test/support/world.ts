/**
 * Networks, services, tasks, containers and sandboxes as text, one line each:
 *
 *   network mynet overlay 10.0.1.0/24 [internal|ingress|default]
 *   service web [dnsrr] [publish=starting] [port=http:80/tcp] on mynet [vip=10.0.1.2] [vip6=…] [alias=www,foo]
 *   task web.1 [state=…] [health=…] [host=…] [cid=…] on mynet ip=10.0.1.3 [ip6=…]
 *   container c1 [host=…] [state=…] [id=…] on mynet ip=10.0.1.32 [alias=a,b] [link=target:alias] [priority=1] on other ip=…
 *   sandbox c1 [ndots=0] [up=192.0.2.1]          (of the container or task of that name)
 */
import type { Change, Endpoint, Health, Port, Protocol, ReadonlyState, RunState } from "../../src/model/types.ts";

/** The ids that `world` gives: networks, services and containers are called by name, task `web.1` is `web-1-id`. */
export const taskId = (name: string): string => `${name.replace(".", "-")}-id`;

export function changes(text: string): Change[] {
  return text
    .split("\n")
    .map((l) => l.replace(/#.*/, "").trim())
    .filter((l) => l !== "")
    .map(change);
}

function change(line: string): Change {
  const [head = "", ...parts] = line.split(/ on /);
  const [kind, name = "", ...words] = head.split(/\s+/);
  const o = options(words);
  const attached = parts.map((p) => {
    const [network = "", ...rest] = p.split(/\s+/);
    return { network, o: options(rest) };
  });
  switch (kind) {
    case "network":
      return {
        kind: "network.put",
        network: {
          id: name,
          name,
          driver: words.find((w) => /^[a-z]+$/.test(w) && !FLAGS.has(w)) ?? "bridge",
          ingress: words.includes("ingress"),
          defaultBridge: words.includes("default"),
          internal: words.includes("internal"),
          subnets: words.filter((w) => w.includes("/")).map((cidr) => ({ cidr })),
          ...(o["up"] ? { upstreams: upstreams(o["up"]) } : {}),
        },
      };
    case "service":
      return {
        kind: "service.put",
        service: {
          id: name,
          name,
          mode: words.includes("dnsrr") ? "dnsrr" : "vip",
          publish: o["publish"] === "starting" ? "starting" : "healthy",
          networks: attached.map(({ network, o: n }) => ({
            network,
            aliases: list(n["alias"]),
            ...(n["vip"] ? { vip4: n["vip"] } : {}),
            ...(n["vip6"] ? { vip6: n["vip6"] } : {}),
          })),
          ports: list(o["port"]).map(port),
          labels: {},
        },
      };
    case "task": {
      const [service = "", slot] = name.split(".");
      return {
        kind: "task.put",
        task: {
          id: taskId(name),
          service,
          ...(/^\d+$/.test(slot ?? "") ? { slot: Number(slot) } : {}),
          node: o["node"] ?? "node-1",
          state: (o["state"] ?? "running") as RunState,
          health: (o["health"] ?? "none") as Health,
          ...(o["cid"] ? { containerId: o["cid"] } : {}),
          ...(o["host"] ? { hostname: o["host"] } : {}),
          endpoints: attached.map(endpoint),
          labels: {},
        },
      };
    }
    case "container":
      return {
        kind: "container.put",
        container: {
          id: o["id"] ?? name,
          name,
          state: (o["state"] ?? "running") as RunState,
          ...(o["host"] ? { hostname: o["host"] } : {}),
          endpoints: attached.map(endpoint),
          labels: {},
        },
      };
    case "sandbox":
      return {
        kind: "sandbox.put",
        sandbox: {
          id: name,
          member: name.includes(".") ? { kind: "task", id: taskId(name) } : { kind: "container", id: o["of"] ?? name },
          listen: [],
          ...(o["ndots"] ? { ndots: Number(o["ndots"]) } : {}),
          ...(o["up"] !== undefined ? { upstreams: upstreams(o["up"]) } : {}),
        },
      };
    default:
      throw new Error(`no such kind in "${line}"`);
  }
}

/** A state of exactly these objects, without a registry. */
export function stateOf(all: readonly Change[], revision = 1): ReadonlyState {
  const state = {
    revision,
    networks: new Map(),
    services: new Map(),
    tasks: new Map(),
    containers: new Map(),
    sandboxes: new Map(),
    tasksOf: new Map<string, Set<string>>(),
  };
  for (const c of all) {
    if (c.kind === "network.put") state.networks.set(c.network.id, c.network);
    if (c.kind === "service.put") state.services.set(c.service.id, c.service);
    if (c.kind === "container.put") state.containers.set(c.container.id, c.container);
    if (c.kind === "sandbox.put") state.sandboxes.set(c.sandbox.id, c.sandbox);
    if (c.kind !== "task.put") continue;
    state.tasks.set(c.task.id, c.task);
    state.tasksOf.set(c.task.service, (state.tasksOf.get(c.task.service) ?? new Set()).add(c.task.id));
  }
  return state;
}

const FLAGS = new Set(["internal", "ingress", "default"]);

const options = (words: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    words.filter((w) => w.includes("=")).map((w) => [w.slice(0, w.indexOf("=")), w.slice(w.indexOf("=") + 1)]),
  );

const list = (text: string | undefined): string[] => (text ? text.split(",") : []);

const upstreams = (text: string) =>
  list(text).map((u) => {
    const [address = "", domain] = u.split("@");
    return { address, port: 53, ...(domain ? { domains: [domain] } : {}) };
  });

function port(text: string): Port {
  const [, name, published, target, protocol] = /^(?:([a-z]\w*):)?(?:(\d+):)?(\d+)(?:\/(\w+))?$/.exec(text) ?? [];
  return {
    ...(name ? { name } : {}),
    ...(published ? { published: Number(published) } : {}),
    target: Number(target),
    protocol: (protocol ?? "tcp") as Protocol,
    mode: "ingress",
  };
}

const endpoint = ({ network, o }: { network: string; o: Record<string, string> }): Endpoint => ({
  network,
  ...(o["ip"] ? { ip4: o["ip"] } : {}),
  ...(o["ip6"] ? { ip6: o["ip6"] } : {}),
  aliases: list(o["alias"]),
  links: list(o["link"]).map((l) => {
    const [target = "", alias = target] = l.split(":");
    return { target, alias };
  }),
  priority: Number(o["priority"] ?? 0),
});
