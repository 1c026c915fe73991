/** What a config file says beside what exists. */
import type { BackendName } from "../model/backends.ts";
import type { ChangeInput } from "../model/input.ts";
import type { Upstream } from "../model/types.ts";
import type { ConfigError } from "./problems.ts";

export interface Options {
  readonly compat: "none" | "docker";
  readonly ttl: { readonly stable: number; readonly dynamic: number; readonly negative: number };
  readonly hostnames: boolean;
  /** The node's own upstreams: a list, or a resolv.conf that is watched. */
  readonly upstreams: readonly Upstream[] | { readonly resolvConf: string };
  readonly forwarder: {
    /** Replies kept; 0: no cache, and nothing stale is served. */
    readonly cache: number;
    readonly maxInFlight: number;
  };
  /** Missing: names only. */
  readonly balance?: BalanceFile;
  /** Threads that answer; 0: the main one does. */
  readonly workers: number;
  readonly transport: "batched" | "dgram";
  /** Missing: where the system keeps such things. */
  readonly stateDir?: string;
  /** The control API's socket, for an agent. Missing: everything has its default. */
  readonly control?: ControlFile;
}

/** How connections are balanced, in the model's words; networks by id. */
export interface BalanceFile {
  readonly backend: "auto" | BackendName;
  readonly placement: "sandbox" | "network";
  readonly node: string;
  readonly idle?: { readonly tcp?: number; readonly udp?: number };
  readonly networks: readonly (PlaceFile & { readonly network: string })[];
  readonly mesh?: {
    readonly ingress: PlaceFile;
    readonly host: { readonly netns?: string; readonly bridge: string; readonly to4?: string; readonly to6?: string };
  };
}

export interface ControlFile {
  readonly socket?: string;
  /** Name of the group that may use it. */
  readonly group?: string;
  readonly mode?: number;
}

export interface PlaceFile {
  readonly netns: string;
  readonly device: string;
  readonly ip4?: string;
  readonly ip6?: string;
}

export interface Config {
  /** As people named it: a file, a directory, "-"; several of them with commas between. */
  readonly file: string;
  /** The files it is written in, by absolute path; "-" is standard input. */
  readonly files: readonly string[];
  readonly options: Options;
  /** Everything that exists, in an order that a registry takes: networks, services, tasks, containers, sandboxes. */
  readonly changes: readonly ChangeInput[];
  /** What is wrong with the change of this index, at its place in the file: for a registry that refuses it. */
  problem(index: number, message: string): ConfigError;
}
