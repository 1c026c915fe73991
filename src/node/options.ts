/** What a node can be told when it is made. */
import type { ForwarderOptions } from "../forwarder/core/options.ts";
import type { BalanceOptions } from "../lb-programmer/order/options.ts";
import type { Notice } from "../model/notice.ts";
import type { Store } from "../registry/stores/store.ts";
import type { Policy } from "../scoping/policy.ts";

/** Everything has a default: `createNode()` is a resolver that knows nothing yet and forwards nothing. */
export interface NodeOptions {
  /** TTLs, compat mode, hostnames, upstreams. */
  readonly policy?: Partial<Policy>;
  readonly forwarder?: ForwarderOptions;
  /** What `id.server` says. Default: "eleven". */
  readonly id?: string;
  /**
   * Threads that answer, and have no right to anything else. Default 1; 0: this one answers. Needs Linux and the built package;
   * where workers can't be had, this thread answers, and `onNotice` is told.
   */
  readonly workers?: number;
  /** How datagrams are read. "batched" (the default where it works): recvmmsg and sendmmsg. "dgram": node's own sockets. */
  readonly transport?: "batched" | "dgram";
  /** Programs the kernel behind VIPs and published ports. Missing: names only. */
  readonly balance?: BalanceOptions;
  /** Keeps sockets over restarts, if the service manager does (NOTIFY_SOCKET and FDSTORE). Default false. */
  readonly keepSockets?: boolean;
  /**
   * What must be known again after a restart is kept here: a directory of this user's alone, made when it is first needed. Default:
   * $STATE_DIRECTORY, else /var/lib/eleven.
   */
  readonly stateDir?: string;
  /**
   * Where objects are kept, and where they come from: `fileStore({ directory })`, say. The node opens and closes it, and state then
   * changes by `write` only. Missing: state is in memory, and `write` does what `apply` does.
   */
  readonly store?: Store;
  /**
   * Told what an operator should know: errors of sockets that belong to no query, fallbacks, namespaces that went. Missing: what is
   * "warn" becomes a warning of the process's (`process.on("warning")`), what is "info" nothing.
   */
  readonly onNotice?: Notice;
}
