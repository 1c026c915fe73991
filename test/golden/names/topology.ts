/** A captured topology as changes: same names, ids and addresses, so that the registry is what that Docker engine was. */
import type { Change, Endpoint, Health, RunState, Upstream } from "../../../src/model/types.ts";

export interface Scenario {
  readonly scenario: string;
  readonly setup: readonly string[];
  readonly topologies: Readonly<Record<string, Topology>>;
  readonly cases: readonly Case[];
}

export interface Topology {
  networks: {
    name: string;
    id: string;
    driver: string;
    internal: boolean;
    ingress: boolean;
    subnets: [string, string | null][];
  }[];
  services: {
    name: string;
    id: string;
    vips: { NetworkID: string; Addr: string }[];
    networks: { target: string; aliases: string[] }[];
  }[];
  containers: {
    name: string;
    id: string;
    hostname: string;
    state: string;
    health: string | null;
    task: { id: string; name: string; service: string; node: string } | null;
    dns: string[];
    networks: Record<string, { ip: string; ip6: string; aliases: string[] | null; links: string[] | null }>;
  }[];
}

export interface Case {
  readonly id: string;
  readonly from: string;
  readonly phase: string;
  readonly group: string;
  readonly quirk?: string;
  readonly query: {
    name?: string;
    type?: string;
    tcp?: boolean;
    cls?: string;
    rd?: number;
    cd?: number;
    ad?: number;
    edns?: number;
    do?: number;
    opcode?: number;
    cookie?: boolean;
    raw?: string;
  };
  readonly expect: {
    status: string;
    rcode: string;
    flags: Record<string, number>;
    answers: { name: string; type: string; ttl: number; data: string }[];
    edns: boolean;
    forwarded: number;
  };
}

/** Everything running in the topology, with a sandbox for each container. `upstream` says where an address of the capture is here. */
export function changesOf(
  { networks, services, containers }: Topology,
  setup: readonly string[],
  upstream: (address: string) => Upstream,
): Change[] {
  const changes: Change[] = networks.map((n) => ({
    kind: "network.put",
    network: {
      id: n.id,
      name: n.name,
      driver: n.driver,
      internal: n.internal,
      ingress: n.ingress,
      defaultBridge: n.name === "bridge",
      subnets: n.subnets.map(([cidr, gateway]) => ({ cidr, ...(gateway && { gateway }) })),
    },
  }));
  const idOf = (name: string) => networks.find((n) => n.name === name)?.id;
  for (const { id, name, vips, networks: on } of services) {
    changes.push({
      kind: "service.put",
      service: {
        id,
        name,
        mode: vips.length > 0 || on.length === 0 ? "vip" : "dnsrr",
        publish: "healthy",
        ports: [],
        labels: {},
        networks: on.map(({ target, aliases }) => {
          const vip = vips.find((v) => v.NetworkID === target)?.Addr.split("/")[0];
          return { network: target, aliases, ...(vip && { vip4: vip }) };
        }),
      },
    });
  }
  for (const c of containers) {
    if (c.state !== "running" && c.state !== "paused") continue;
    const own = [c.id.slice(0, 12), c.hostname];
    const endpoints = Object.entries(c.networks).flatMap(([network, at]): Endpoint[] => {
      const id = idOf(network);
      if (id === undefined || at.ip === "") return [];
      const links = (at.links ?? []).map((l) => ({ target: l.split(":")[0]!, alias: l.split(":").at(-1)! }));
      const aliases = (at.aliases ?? []).filter((a) => !own.includes(a));
      return [{ network: id, ip4: at.ip, ...(at.ip6 && { ip6: at.ip6 }), aliases, links, priority: 0 }];
    });
    const common = { hostname: c.hostname, state: c.state as RunState, endpoints, labels: {} };
    if (c.task === null) changes.push({ kind: "container.put", container: { id: c.id, name: c.name, ...common } });
    else {
      const slot = c.task.name.split(".")[1]!;
      const task = {
        id: c.task.id,
        service: c.task.service,
        node: c.task.node,
        containerId: c.id,
        health: (c.health ?? "none") as Health,
      };
      changes.push({
        kind: "task.put",
        task: { ...task, ...common, ...(/^\d+$/.test(slot) && { slot: Number(slot) }) },
      });
    }
    const ndots = setup.some((run) => run.includes(`--name ${c.name} `) && run.includes("--dns-option ndots"));
    changes.push({
      kind: "sandbox.put",
      sandbox: {
        id: c.name,
        member: c.task === null ? { kind: "container", id: c.id } : { kind: "task", id: c.task.id },
        listen: [{ address: "127.0.0.1", port: 0 }],
        ...(c.dns.length > 0 && { upstreams: c.dns.map(upstream) }),
        ...(ndots && { ndots: 0 }),
      },
    });
  }
  return changes;
}
