/**
 * What exists, as plain data: networks, services, tasks, containers and sandboxes, in Docker's words. This is how the registry
 * holds it and everybody reads it, nothing left out; input.ts is what people write. Addresses are canonical text ("10.0.1.2",
 * "fd00::2"), names keep the case they were given in.
 */

export type NetworkId = string;
export type ServiceId = string;
export type TaskId = string;
export type ContainerId = string;
export type SandboxId = string;

/** One address range of a network. `gateway` is never handed out; `cidr` is masked ("10.0.1.0/24"). */
export interface Subnet {
  readonly cidr: string;
  readonly gateway?: string;
}

/** A server that queries are forwarded to. With `domains`, only names at or below one of them ("corp.example") go there. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
  readonly domains?: readonly string[];
  /**
   * Asked from this process's own namespace, not from the sandbox's: for a server that the host's resolv.conf names, which a
   * container need not be able to reach. Never set for what a container's own file names.
   */
  readonly host?: boolean;
  /** Namespace to send from. Missing: the sandbox's, if it has one and `host` is not set, else this process's own. */
  readonly netns?: string;
}

/** Seconds an answer may be kept: `stable` for VIPs, `dynamic` for whatever comes and goes. Missing: the next wider setting. */
export interface Ttl {
  readonly stable?: number;
  readonly dynamic?: number;
}

export interface Network {
  readonly id: NetworkId;
  readonly name: string;
  /** "overlay", "bridge", "macvlan", … Overlays take precedence over every other driver when a name is on both. */
  readonly driver: string;
  /** The routing mesh's network: carries traffic, gives no names. */
  readonly ingress: boolean;
  /** Docker's default bridge: gives no names. */
  readonly defaultBridge: boolean;
  /** Nothing may leave: sandboxes with only internal networks are never forwarded for. */
  readonly internal: boolean;
  readonly subnets: readonly Subnet[];
  /** Used by member sandboxes that have no upstreams of their own. */
  readonly upstreams?: readonly Upstream[];
  readonly ttl?: Ttl;
  /** Where it is written: the path of a config file, "-" for standard input. Missing: it was made by a program. */
  readonly source?: string;
}

export type EndpointMode = "vip" | "dnsrr";

/** A service's attachment to one network. Missing VIPs are allocated (vip mode only), one per address family of the network. */
export interface ServiceNetwork {
  readonly network: NetworkId;
  readonly aliases: readonly string[];
  readonly vip4?: string;
  readonly vip6?: string;
}

export type Protocol = "tcp" | "udp" | "sctp";

export interface Port {
  /** Name for SRV (`_name._tcp.service`). */
  readonly name?: string;
  readonly protocol: Protocol;
  /** Port inside the task. */
  readonly target: number;
  /** Port outside. 0: allocate from 30000-32767. Missing: not published, known to SRV only. */
  readonly published?: number;
  readonly mode: "ingress" | "host";
  /** Ingress only. "local": tasks of the node that was asked, and they see the client's address. Missing: "cluster". */
  readonly traffic?: "cluster" | "local";
  /** Addresses and ranges from which it may be reached where it is published; the host itself always may. Missing: from anywhere. */
  readonly sources?: readonly string[];
}

/** IPVS's names (ipvsadm(8)): round robin, weighted, least connection, weighted least connection, source hash, Maglev hash. */
export type Scheduler = "rr" | "wrr" | "lc" | "wlc" | "sh" | "mh";

/** How connections to a service's VIPs are shared among its tasks. */
export interface Balance {
  /** Missing: "rr", or "wrr" if a task has a weight of its own. */
  readonly scheduler?: Scheduler;
  /** Seconds that a client address stays with its task. Missing: each connection on its own. */
  readonly affinity?: number;
  /** Seconds that a leaving task may finish its connections. Missing: 10. */
  readonly drain?: number;
}

export interface Service {
  readonly id: ServiceId;
  readonly name: string;
  readonly mode: EndpointMode;
  /** When tasks start to answer: "healthy" (running and passing their check) or "starting" (as soon as they exist). */
  readonly publish: "healthy" | "starting";
  readonly networks: readonly ServiceNetwork[];
  readonly ports: readonly Port[];
  /** Which ports of its VIPs lead to its tasks: all, or only those that `ports` has; the others are refused. Missing: "all". */
  readonly vipPorts?: "all" | "declared";
  readonly labels: Readonly<Record<string, string>>;
  readonly ttl?: Ttl;
  readonly balance?: Balance;
  /** VIPs on the routing mesh's network: the registry gives them to a service that publishes ports there. */
  readonly mesh?: { readonly network: NetworkId; readonly vip4?: string; readonly vip6?: string };
  readonly source?: string;
}

/** One interface of a task or container. Missing addresses are allocated, one per address family of the network. */
export interface Endpoint {
  readonly network: NetworkId;
  readonly ip4?: string;
  readonly ip6?: string;
  readonly aliases: readonly string[];
  /** Private names: `alias` means whatever `target` means on this network, for this endpoint's sandbox only. */
  readonly links: readonly Link[];
  /** Higher wins when a name is on several networks (Docker's GwPriority). */
  readonly priority: number;
}

export interface Link {
  readonly target: string;
  readonly alias: string;
}

export type RunState = "starting" | "running" | "paused" | "draining" | "stopped";
export type Health = "none" | "starting" | "healthy" | "unhealthy";

export interface Task {
  readonly id: TaskId;
  readonly service: ServiceId;
  /** Replica number from 1; missing for a global service, whose tasks are told apart by node. */
  readonly slot?: number;
  readonly node: string;
  readonly state: RunState;
  readonly health: Health;
  /** The container behind the task: its first 12 characters are a name. */
  readonly containerId?: string;
  readonly hostname?: string;
  readonly endpoints: readonly Endpoint[];
  readonly labels: Readonly<Record<string, string>>;
  /** Share of the service's connections, 1 to 65535. Missing: 1. */
  readonly weight?: number;
  readonly source?: string;
}

export interface Container {
  readonly id: ContainerId;
  readonly name: string;
  readonly hostname?: string;
  readonly state: RunState;
  readonly endpoints: readonly Endpoint[];
  readonly labels: Readonly<Record<string, string>>;
  readonly source?: string;
}

/** Where a sandbox is answered. `source` (addresses or CIDRs) tells sandboxes apart that share one listen address. */
export interface Listen {
  readonly address: string;
  readonly port: number;
  readonly source?: readonly string[];
}

/** What was found in a resolv.conf that says where to forward to. */
export interface Found {
  readonly upstreams: readonly Upstream[];
  /** It has an ndots option: unknown names of one label are not forwarded. */
  readonly ndots: boolean;
}

/** Whose sandbox it is. */
export interface Member {
  readonly kind: "container" | "task";
  readonly id: string;
}

/** A network namespace that asks: it sees what its member (a container or a task) is attached to, and nothing else. */
export interface Sandbox {
  readonly id: SandboxId;
  readonly member: Member;
  readonly listen: readonly Listen[];
  /** Missing: the networks' upstreams, else the node's. Empty: none. */
  readonly upstreams?: readonly Upstream[];
  /**
   * The option of that name in the sandbox's resolv.conf. If it is set, to whatever value, A and AAAA queries for an unknown name of
   * one label get an empty NOERROR instead of being forwarded: the C library then goes on with its search list.
   */
  readonly ndots?: number;
  readonly search?: readonly string[];
  /** Its network namespace: a path, a pid, or a name that `ip netns` knows. Missing: this process's own. */
  readonly netns?: string;
  /** "direct" (also if missing): port 53 is bound. "redirect": random ports are, and packets to 53 are led there, as Docker does. */
  readonly bind?: "direct" | "redirect";
  /**
   * A resolv.conf that is rewritten so that programs ask 127.0.0.11, and put back in the end. A path of the host's without symbolic
   * links, or a file below a container's root (links in there are not followed). Needs `netns`.
   */
  readonly resolvConf?: string | FileBeneath;
  readonly source?: string;
}

/** The file `path` ("etc/resolv.conf") below the directory `root`. The root's path is trusted; below it no symbolic link is followed. */
export interface FileBeneath {
  readonly root: string;
  readonly path: string;
}

/** A step as it came to be: nothing left out, patches applied. What people give is `ChangeInput`, of which each of these is one. */
export type Change =
  | { readonly kind: "network.put"; readonly network: Network }
  | { readonly kind: "network.remove"; readonly id: NetworkId }
  | { readonly kind: "service.put"; readonly service: Service }
  | { readonly kind: "service.remove"; readonly id: ServiceId }
  | { readonly kind: "task.put"; readonly task: Task }
  | { readonly kind: "task.remove"; readonly id: TaskId }
  | { readonly kind: "container.put"; readonly container: Container }
  | { readonly kind: "container.remove"; readonly id: ContainerId }
  | { readonly kind: "sandbox.put"; readonly sandbox: Sandbox }
  | { readonly kind: "sandbox.remove"; readonly id: SandboxId };

/** Everything that exists, addresses filled in. Readers (scoping, the LB planner) never change it. */
export interface ReadonlyState {
  readonly revision: number;
  readonly networks: ReadonlyMap<NetworkId, Network>;
  readonly services: ReadonlyMap<ServiceId, Service>;
  readonly tasks: ReadonlyMap<TaskId, Task>;
  readonly containers: ReadonlyMap<ContainerId, Container>;
  readonly sandboxes: ReadonlyMap<SandboxId, Sandbox>;
  /** Tasks of each service, kept beside `tasks` because every compile asks. */
  readonly tasksOf: ReadonlyMap<ServiceId, ReadonlySet<TaskId>>;
}

/** Ids that a batch of changes put or removed; what compile and plan have to look at again. */
export interface Touched {
  readonly networks: ReadonlySet<NetworkId>;
  readonly services: ReadonlySet<ServiceId>;
  readonly tasks: ReadonlySet<TaskId>;
  readonly containers: ReadonlySet<ContainerId>;
  readonly sandboxes: ReadonlySet<SandboxId>;
  /** Services that these tasks are of, or were. */
  readonly tasksOf: ReadonlySet<ServiceId>;
}
