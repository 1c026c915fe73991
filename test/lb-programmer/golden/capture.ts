/**
 * What a real Docker 20.10 swarm held after each step of a session (data/*.json: services, networks with their members, and of
 * each namespace that balances its rules, IPVS table, addresses and sysctls), and the same as a registry of ours.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";
import type { Change, Endpoint, Port, ReadonlyState } from "../../../src/model/types.ts";
import { Registry } from "../../../src/registry/registry.ts";

export interface Capture {
  readonly what: string;
  readonly services: readonly DockerService[];
  readonly networks: readonly DockerNetwork[];
  /** By name: "host", "ingress_sbox", "lb_<start of a network's id>", "container-<task>". */
  readonly namespaces: Readonly<Record<string, DockerNamespace>>;
}

/** As `docker service inspect` has it. */
interface DockerService {
  readonly id: string;
  readonly name: string;
  readonly endpoint: {
    readonly Spec: { readonly Mode?: "vip" | "dnsrr" };
    readonly Ports?: readonly DockerPort[];
    readonly VirtualIPs?: readonly { readonly NetworkID: string; readonly Addr: string }[];
  };
}

interface DockerPort {
  readonly Protocol: "tcp" | "udp" | "sctp";
  readonly TargetPort: number;
  readonly PublishedPort: number;
  readonly PublishMode: "ingress" | "host";
}

/** As `docker network inspect` has it; `members` are its containers' names and addresses. */
interface DockerNetwork {
  readonly id: string;
  readonly name: string;
  readonly ingress: boolean;
  readonly internal: boolean;
  readonly config: readonly { readonly Subnet: string; readonly Gateway?: string }[];
  readonly members: Readonly<Record<string, string>>;
}

export interface DockerNamespace {
  /** Of `iptables-save`: the tables' and the rules' lines. */
  readonly iptables: readonly string[];
  /** `ipvsadm -Sn`. */
  readonly ipvsadm: readonly string[];
  /** IPv4, by interface; on the host that of the bridge only. */
  readonly addresses: Readonly<Record<string, readonly string[]>>;
  /** Those that Docker changes. */
  readonly sysctls: Readonly<Record<string, string>>;
}

const DATA = new URL("data/", import.meta.url);

export const CAPTURES: readonly (readonly [string, Capture])[] = readdirSync(DATA)
  .sort()
  .map((file) => [file.replace(".json", ""), JSON.parse(readFileSync(new URL(file, DATA), "utf8")) as Capture]);

const bare = (address: string): string => address.split("/")[0] ?? "";

/** The same services, networks and tasks in a registry of ours. A task's name is "<service>.<slot>.<id>". */
export function registryOf({ services, networks }: Capture): ReadonlyState {
  const registry = new Registry();
  registry.apply([
    ...networks.map(networkPut),
    ...services.map((service) => servicePut(service, networks)),
    ...services.flatMap((service) => tasksOf(service, networks)),
  ]);
  return registry.state;
}

const networkPut = ({ id, name, ingress, internal, config }: DockerNetwork): Change => ({
  kind: "network.put",
  network: {
    id,
    name,
    driver: "overlay",
    ingress,
    defaultBridge: false,
    internal,
    subnets: config.map(({ Subnet, Gateway }) => ({ cidr: Subnet, ...(Gateway && { gateway: Gateway }) })),
  },
});

function servicePut({ id, name, endpoint }: DockerService, all: readonly DockerNetwork[]): Change {
  const vips = endpoint.VirtualIPs ?? [];
  const mesh = vips.find(({ NetworkID }) => all.find((n) => n.id === NetworkID)?.ingress);
  const networks = vips.filter((vip) => vip !== mesh);
  return {
    kind: "service.put",
    service: {
      id,
      name,
      mode: endpoint.VirtualIPs === undefined ? "dnsrr" : "vip",
      publish: "healthy",
      labels: {},
      ports: (endpoint.Ports ?? []).map(
        (p): Port => ({
          protocol: p.Protocol,
          target: p.TargetPort,
          published: p.PublishedPort,
          mode: p.PublishMode,
        }),
      ),
      networks: [
        ...networks.map(({ NetworkID, Addr }) => ({ network: NetworkID, aliases: [], vip4: bare(Addr) })),
        ...(vips.length > 0 ? [] : networksOfTasks(name, all)),
      ],
      ...(mesh && { mesh: { network: mesh.NetworkID, vip4: bare(mesh.Addr) } }),
    },
  };
}

/** Where a service without VIPs is: its tasks are there. */
const networksOfTasks = (name: string, all: readonly DockerNetwork[]) =>
  all
    .filter(({ members }) => Object.keys(members).some((member) => member.startsWith(`${name}.`)))
    .map(({ id }) => ({ network: id, aliases: [] }));

function tasksOf({ id: service, name }: DockerService, networks: readonly DockerNetwork[]): Change[] {
  const endpoints = new Map<string, Endpoint[]>();
  for (const network of networks) {
    for (const [member, address] of Object.entries(network.members)) {
      if (!member.startsWith(`${name}.`)) continue;
      const endpoint = { network: network.id, ip4: bare(address), aliases: [], links: [], priority: 0 };
      endpoints.set(member, [...(endpoints.get(member) ?? []), endpoint]);
    }
  }
  return [...endpoints].flatMap(([id, on]): Change[] => [
    {
      kind: "task.put",
      task: { id, service, node: "here", state: "running", health: "none", labels: {}, endpoints: on },
    },
    {
      kind: "sandbox.put",
      sandbox: { id, member: { kind: "task", id }, netns: id, listen: [{ address: "127.0.0.11", port: 53 }] },
    },
  ]);
}

/** The target that one of Docker's namespaces is for us. */
export function targetOf({ networks, namespaces }: Capture, name: string): LbTarget {
  const lb = (network: DockerNetwork) => ({
    network: network.id,
    ip4: bare(network.members[`${network.name}-endpoint`] ?? ""),
    device: "eth0",
  });
  if (name === "ingress_sbox") return { kind: "ingress", id: "ingress", ...lb(networks.find((n) => n.ingress)!) };
  if (name.startsWith("lb_")) {
    const network = networks.find((n) => n.id.startsWith(name.slice(3)))!;
    return { kind: "network", id: `network/${network.id}`, ...lb(network) };
  }
  if (name === "host") {
    const gateway = namespaces["ingress_sbox"]?.addresses["eth1"]?.[0] ?? "";
    return { kind: "host", id: "host", to4: bare(gateway), bridge: "docker_gwbridge" };
  }
  const sandbox = name.replace("container-", "");
  return { kind: "sandbox", id: `sandbox/${sandbox}`, sandbox };
}
