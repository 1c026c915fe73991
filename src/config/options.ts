/** What a config file says beside what exists. */
import type { Change, Upstream } from "../model/types.ts";

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
  /** Threads that answer; 0: the main one does. */
  readonly workers: number;
  readonly transport: "batched" | "dgram";
}

/** A place in the file: what a problem is about. */
export type Path = readonly (string | number)[];

export interface Config {
  readonly file: string;
  readonly options: Options;
  /** Everything that exists, in an order that a registry takes: networks, services, tasks, containers, sandboxes. */
  readonly changes: readonly Change[];
  /** What is wrong with the change of this index, at its place in the file: for a registry that refuses it. */
  problem(index: number, message: string): Error;
}
