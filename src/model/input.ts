/**
 * What people give to `apply`: the objects of types.ts with everything left out that has a default, and patches of them.
 * schema.ts checks exactly this at run time. `undefined` is the same as left out, everywhere.
 */
import type { Balance, EndpointMode, FileBeneath, Health, Link, Member, Protocol, RunState } from "./types.ts";

export interface SubnetInput {
  /** "10.0.1.0/24", without host bits. */
  readonly cidr: string;
  /** Default: the first address. Never handed out. */
  readonly gateway?: string | undefined;
}

export interface UpstreamInput {
  readonly address: string;
  /** Default 53. */
  readonly port?: number | undefined;
  /** Only names at or below one of these are asked there. Default: all. */
  readonly domains?: readonly string[] | undefined;
  /** Asked from this process's own namespace, whatever the sandbox's. Default false. */
  readonly host?: boolean | undefined;
  /** Namespace whose routes lead there. Default: the sandbox's, unless `host`. */
  readonly netns?: string | undefined;
}

/** Seconds an answer may be kept. Default: the next wider setting (service, network, node). */
export interface TtlInput {
  readonly stable?: number | undefined;
  readonly dynamic?: number | undefined;
}

export interface NetworkInput {
  readonly name: string;
  /** Default: the name. */
  readonly id?: string | undefined;
  /** Default "overlay". */
  readonly driver?: string | undefined;
  /** The routing mesh's network: carries traffic, gives no names. Default false. */
  readonly ingress?: boolean | undefined;
  /** Docker's default bridge: gives no names. Default false. */
  readonly defaultBridge?: boolean | undefined;
  /** Nothing is forwarded for sandboxes on internal networks only. Default false. */
  readonly internal?: boolean | undefined;
  /** Default, and if empty: what it has, else the next free /24 of 10.0.0.0/8. */
  readonly subnets?: readonly SubnetInput[] | undefined;
  /** For sandboxes on it that have none of their own. Default: the node's. */
  readonly upstreams?: readonly UpstreamInput[] | undefined;
  readonly ttl?: TtlInput | undefined;
  /** Where it is written: a config file's path, "-" for standard input. Default: nowhere, a program made it. Can't be patched. */
  readonly source?: string | undefined;
}

/** A service on one network. */
export interface ServiceNetworkInput {
  /** Id of the network. */
  readonly network: string;
  /** Default: none. */
  readonly aliases?: readonly string[] | undefined;
  /** Default: the one it has there, else the next free one (vip mode; one for each address family of the network). */
  readonly vip4?: string | undefined;
  readonly vip6?: string | undefined;
}

export interface PortInput {
  /** Port inside the task; or a range, "8000-8010", which is the same as that many ports. */
  readonly target: number | string;
  /** Port outside, or as wide a range; 0: the next free one of 30000-32767. Default: not published, known to SRV only. */
  readonly published?: number | string | undefined;
  /** Default "tcp". */
  readonly protocol?: Protocol | undefined;
  /** Default "ingress". */
  readonly mode?: "ingress" | "host" | undefined;
  /** Name for SRV (`_name._tcp.service`). */
  readonly name?: string | undefined;
  /** Mode ingress only. "local": tasks of the node that was asked, which see the client's address. Default "cluster". */
  readonly traffic?: "cluster" | "local" | undefined;
  /** Addresses or ranges from which it may be reached where it is published. Default: from anywhere. */
  readonly sources?: readonly string[] | undefined;
}

/** How connections to VIPs are shared; the defaults are those of `Balance`. */
export type BalanceInput = { readonly [K in keyof Balance]?: Balance[K] | undefined };

export interface ServiceInput {
  readonly name: string;
  /** Default: the name. */
  readonly id?: string | undefined;
  /** Default: none. Then it has no name anywhere. */
  readonly networks?: readonly ServiceNetworkInput[] | undefined;
  /** Default "vip". */
  readonly mode?: EndpointMode | undefined;
  /** When its tasks begin to answer. Default "healthy". */
  readonly publish?: "healthy" | "starting" | undefined;
  /** Default: none. */
  readonly ports?: readonly PortInput[] | undefined;
  /** "declared": ports of its VIPs that are no `target` of `ports` are refused. Default "all", as in Docker. */
  readonly vipPorts?: "all" | "declared" | undefined;
  /** Default: none. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly ttl?: TtlInput | undefined;
  readonly balance?: BalanceInput | undefined;
  /** VIPs on the routing mesh's network. Default: allocated for a service that publishes ports there. */
  readonly mesh?:
    | { readonly network: string; readonly vip4?: string | undefined; readonly vip6?: string | undefined }
    | undefined;
  readonly source?: string | undefined;
}

/** A task or container on one network. */
export interface EndpointInput {
  /** Id of the network. */
  readonly network: string;
  /** Default: the one it has there, else the next free one (one for each address family of the network). */
  readonly ip4?: string | undefined;
  readonly ip6?: string | undefined;
  /** Default: none. */
  readonly aliases?: readonly string[] | undefined;
  /** Private names. Default: none. */
  readonly links?: readonly Link[] | undefined;
  /** Higher wins when a name is on several networks. Default 0. */
  readonly priority?: number | undefined;
}

export interface TaskInput {
  /** Id of its service, which must be there. */
  readonly service: string;
  /** Replica number from 1. Default: none, as in a global service, whose tasks are told apart by node. */
  readonly slot?: number | undefined;
  /** Default "node-1", which is also a node's default name. */
  readonly node?: string | undefined;
  /** Default: `service.slot`, without a slot `service.node`. */
  readonly id?: string | undefined;
  /** Default "running". */
  readonly state?: RunState | undefined;
  /** Default "none". */
  readonly health?: Health | undefined;
  /** Its first 12 characters are a name. */
  readonly containerId?: string | undefined;
  readonly hostname?: string | undefined;
  /** Default: all networks of the service. */
  readonly endpoints?: readonly EndpointInput[] | undefined;
  /** Default: none. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Share of the service's connections, 1 to 65535. Default 1. */
  readonly weight?: number | undefined;
  readonly source?: string | undefined;
}

export interface ContainerInput {
  readonly name: string;
  /** Its first 12 characters are a name. Default: the name. */
  readonly id?: string | undefined;
  readonly hostname?: string | undefined;
  /** Default "running". */
  readonly state?: RunState | undefined;
  /** Default: none. Then nobody sees it, and it sees nobody. */
  readonly endpoints?: readonly EndpointInput[] | undefined;
  /** Default: none. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly source?: string | undefined;
}

export interface ListenInput {
  /** Default 127.0.0.11. */
  readonly address?: string | undefined;
  /** Default 53; 0: any that is free. */
  readonly port?: number | undefined;
  /** Addresses or ranges that this sandbox's queries come from, where several share the address. Default: all. */
  readonly source?: readonly string[] | undefined;
}

export interface SandboxInput {
  /** Whose sandbox it is: a container or task that is there already, or comes in the same batch. */
  readonly member: Member;
  /** Default: the member's id. */
  readonly id?: string | undefined;
  /** Default: 127.0.0.11 port 53 in `netns`; nowhere without one. */
  readonly listen?: readonly ListenInput[] | undefined;
  /** Default: the networks' upstreams, else the node's. Empty: none. */
  readonly upstreams?: readonly UpstreamInput[] | undefined;
  /** Set at all: unknown names of one label are not forwarded. */
  readonly ndots?: number | undefined;
  readonly search?: readonly string[] | undefined;
  /** Its network namespace: a path, a pid, or a name that `ip netns` knows. Default: this process's own. */
  readonly netns?: string | undefined;
  /** "redirect": random ports with a redirect in front, as Docker does; needs `netns`. Default "direct". */
  readonly bind?: "direct" | "redirect" | undefined;
  /** File to be rewritten so that 127.0.0.11 is asked; needs `netns`. Default: none. */
  readonly resolvConf?: string | FileBeneath | undefined;
  readonly source?: string | undefined;
}

/**
 * Some fields of an object. What is given takes the place of the whole field, lists and labels too; what is left out (or
 * undefined) stays; null goes back to the default. An id can't be changed, and a source only by a put.
 */
export type Patch<Input> = {
  readonly [K in Exclude<keyof Input, "id" | "source">]?:
    | Input[K]
    | (Partial<Pick<Input, K>> extends Pick<Input, K> ? null : never)
    | undefined;
};

export type NetworkPatch = Patch<NetworkInput>;
export type ServicePatch = Patch<ServiceInput>;
export type TaskPatch = Patch<TaskInput>;
export type ContainerPatch = Patch<ContainerInput>;
export type SandboxPatch = Patch<SandboxInput>;

/**
 * One step of the state road. `put` replaces the whole object; `patch` changes some fields of one that is there (RegistryError
 * "unknown" if it is not); `remove` of something unknown changes nothing.
 */
export type ChangeInput =
  | { readonly kind: "network.put"; readonly network: NetworkInput }
  | { readonly kind: "service.put"; readonly service: ServiceInput }
  | { readonly kind: "task.put"; readonly task: TaskInput }
  | { readonly kind: "container.put"; readonly container: ContainerInput }
  | { readonly kind: "sandbox.put"; readonly sandbox: SandboxInput }
  | { readonly kind: "network.patch"; readonly id: string; readonly patch: NetworkPatch }
  | { readonly kind: "service.patch"; readonly id: string; readonly patch: ServicePatch }
  | { readonly kind: "task.patch"; readonly id: string; readonly patch: TaskPatch }
  | { readonly kind: "container.patch"; readonly id: string; readonly patch: ContainerPatch }
  | { readonly kind: "sandbox.patch"; readonly id: string; readonly patch: SandboxPatch }
  | {
      readonly kind: "network.remove" | "service.remove" | "task.remove" | "container.remove" | "sandbox.remove";
      readonly id: string;
    };
