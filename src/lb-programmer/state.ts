/**
 * What a network namespace must hold so that VIPs and published ports work, as plain data: the same for every backend.
 *
 *   registry -> plan -> LbState (desired) --+
 *                                           diff -> LbOp[] -> backend.apply -> kernel
 *   kernel -> backend.read -> LbState ------+
 */
import type { NetworkId, Protocol, SandboxId, Scheduler } from "../model/types.ts";

/** A network namespace that carries balancing state, and what the registry does not know of it. */
export type LbTarget = SandboxTarget | NetworkTarget | IngressTarget | HostTarget;

/** What every target has. */
export interface AnyTarget {
  /** Unique among the targets of a node: "sandbox/<id>", "network/<id>", "ingress", "host". */
  readonly id: string;
  /** Path of the namespace. Missing: the one this process is in. */
  readonly netns?: string;
}

/** A container's own namespace: its outgoing connections (placement "sandbox"), and published ports that arrive in it. */
export interface SandboxTarget extends AnyTarget {
  readonly kind: "sandbox";
  readonly sandbox: SandboxId;
  /** Others in the same namespace. */
  readonly also?: readonly SandboxId[];
}

/** The load-balancer sandbox that a network has on this node (placement "network"). */
export interface NetworkTarget extends AnyTarget {
  readonly kind: "network";
  readonly network: NetworkId;
  /** Its own addresses there, which tasks then see as the client, and its interface. */
  readonly ip4?: string;
  readonly ip6?: string;
  readonly device: string;
}

/** The sandbox through which connections to published ports enter the routing mesh; one per node. */
export interface IngressTarget extends AnyTarget {
  readonly kind: "ingress";
  readonly network: NetworkId;
  readonly ip4?: string;
  readonly ip6?: string;
  readonly device: string;
}

/** The host: published ports are led to the ingress sandbox, at these addresses on `bridge`. */
export interface HostTarget extends AnyTarget {
  readonly kind: "host";
  readonly to4?: string;
  readonly to6?: string;
  readonly bridge: string;
}

/** Where east-west traffic is balanced: in each client's namespace, or in one sandbox per network and node (Docker since 18.09). */
export type Placement = "sandbox" | "network";

/** Seconds that a balanced connection may be silent before the kernel forgets it. */
export interface Idle {
  readonly tcp?: number;
  readonly udp?: number;
}

/** Everything that one target holds. Order means nothing; `normal` in normal.ts sorts it. */
export interface LbState {
  /** VIPs as addresses of this namespace, so that they answer ping and ARP. */
  readonly addresses: readonly LocalAddress[];
  readonly servers: readonly VirtualServer[];
  /** Source rewriting of balanced connections, so that replies come back this way. */
  readonly snats: readonly Snat[];
  /** In a task's namespace: its published ports to the ports it listens on. */
  readonly redirects: readonly PortRedirect[];
  /** On the host: published ports. */
  readonly published: readonly PublishedPort[];
  /**
   * "net/ipv4/vs/conntrack" to "1". Only keys that a plan names are ever read or written. "ipvs/tcp" and "ipvs/udp" are IPVS's
   * idle timeouts in seconds (ipvsadm --set), which have no file.
   */
  readonly sysctls: Readonly<Record<string, string>>;
}

export interface LocalAddress {
  readonly address: string;
  /** "lo" where a namespace balances for itself: then it is there for ping only, and a backend may see to that otherwise. */
  readonly device: string;
}

export interface VirtualServer {
  /** Stable: "<service>/<network>/4" (server-key.ts). */
  readonly key: string;
  readonly vip: string;
  /** Netfilter mark of its connections, from 256 up; the same as long as the server lives. */
  readonly mark: number;
  /**
   * Whose connections: "local", those of processes in this namespace; "arriving", those that reach it for the VIP;
   * "published", those that reach it for one of `ports`, whatever the address (the VIP's own arrive, too, unless
   * `keepSource`: then only `ports` count, since the service may have a second server for its other ports).
   */
  readonly from: "local" | "arriving" | "published";
  /** Published ports; empty unless `from` is "published". */
  readonly ports: readonly PortRange[];
  /**
   * Ports of the VIP that are balanced; the others are refused at once, as all are where there are no tasks. Missing: all are. Not
   * together with "published" and `keepSource`, whose VIP it is not.
   */
  readonly only?: readonly PortRange[];
  readonly scheduler: Scheduler;
  /** Seconds a client stays with its task; 0: not at all. */
  readonly affinity: number;
  readonly forwarding: "masquerade" | "direct";
  /** Tasks see the client's address: no `snats` entry is for its connections. */
  readonly keepSource?: true;
  /** None, or all of weight 0: connections are refused at once. */
  readonly destinations: readonly Destination[];
  /** Seconds that tasks which leave may finish their connections. Missing: 10. Nothing a kernel holds: for the reconciler. */
  readonly drain?: number;
}

/** A port, or those from `port` to `last`, which is greater. No two ranges of one list overlap. */
export interface PortRange {
  readonly protocol: Protocol;
  readonly port: number;
  readonly last?: number;
}

export interface Destination {
  readonly address: string;
  /** 0: nothing new, what is there goes on. */
  readonly weight: number;
}

export interface Snat {
  /** Connections balanced into this range … */
  readonly subnet: string;
  /** … come from this address. */
  readonly to: string;
}

export interface PortRedirect {
  /** The task's address on the routing mesh. */
  readonly address: string;
  readonly protocol: Protocol;
  readonly published: number;
  readonly target: number;
}

export interface PublishedPort extends PortRange {
  /** Address that connections are led to, the port kept. One entry per address family. */
  readonly to: string;
  /** Port there. Differs from `port` for ports published in host mode. A range keeps its numbers: then it is `port`. */
  readonly toPort: number;
  /** The bridge that leads there: local connections over it are masqueraded. */
  readonly bridge: string;
  /**
   * Ranges ("10.0.0.0/8") of its family, none within another, from which new connections may come; those from elsewhere are dropped.
   * The host's own are always let through. Missing: from anywhere.
   */
  readonly sources?: readonly string[];
}

/**
 * One step from one state to another. Every step is idempotent: done twice, or half done before, it ends the same.
 *
 * `server.add` makes a server without destinations, they follow as `destination.add`; `server.remove` takes them along.
 * `server.change` is for scheduler and affinity. Whatever else differs is a replacement: `server.remove` of the old, then
 * `server.add` of the new with its destinations, in one call of `apply`; connections should outlive it where that is
 * possible. Nothing is ever added where what it occupies (VIP, port, mark, range) is still another's: that one is removed before.
 * `server` in a step is the whole server as it will be (in `server.remove`: was), its destinations included.
 */
export type LbOp =
  | { readonly op: "address.add" | "address.remove"; readonly address: LocalAddress }
  | { readonly op: "server.add" | "server.change" | "server.remove"; readonly server: VirtualServer }
  | {
      readonly op: "destination.add" | "destination.change" | "destination.remove";
      readonly server: VirtualServer;
      readonly destination: Destination;
    }
  | { readonly op: "snat.add" | "snat.remove"; readonly snat: Snat }
  | { readonly op: "redirect.add" | "redirect.remove"; readonly redirect: PortRedirect }
  | { readonly op: "published.add" | "published.remove"; readonly published: PublishedPort }
  | { readonly op: "sysctl.set"; readonly key: string; readonly value: string };

export const EMPTY: LbState = { addresses: [], servers: [], snats: [], redirects: [], published: [], sysctls: {} };
