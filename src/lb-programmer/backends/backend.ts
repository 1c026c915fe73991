/** What a backend is: whatever installs balancing state in a namespace, and says what is there. */
import type { Destination, Idle, LbOp, LbState, LbTarget, VirtualServer } from "../state.ts";
import { conntrackSysctls } from "./common/conntrack-sysctls.ts";

/**
 * Installs and reads balancing state in a namespace. A backend that changes the kernel may leave out what is optional here: the
 * defaults are made for it. docs/load-balancing.md says how to add one.
 */
export interface LbBackend {
  readonly name: string;
  /**
   * True if nothing is changed by it, the steps are only shown: then no port of the host is reserved for it, and nothing is remembered
   * over restarts. Default false.
   */
  readonly dryRun?: boolean;
  /**
   * Sysctls that a namespace with virtual servers needs, so that they work, and forget silent connections after `idle`.
   * Default: `idle` for connections that the kernel translates (conntrack).
   */
  sysctls?(idle: Idle): Readonly<Record<string, string>>;
  /** Rejects with an LbError that says what is missing if this backend can't work there. */
  probe(target: LbTarget): Promise<void>;
  /** What is ours there now. Foreign rules, addresses and servers are not seen; `sysctls` holds those that `keys` names. */
  read(target: LbTarget, keys: readonly string[]): Promise<LbState>;
  /** Does the steps, in order, in as few batches as it can. `desired` is the whole state that they lead to. */
  apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void>;
  /** Connections that are still open between clients and this task, through this server: for draining. */
  connections(target: LbTarget, server: VirtualServer, destination: Destination): Promise<number>;
  /** What each server has taken since it, or its table, was made; by its key. Missing: nobody counts. */
  taken?(target: LbTarget): Promise<ReadonlyMap<string, Taken>>;
  /** Calls `changed` when the namespace's rules may have been changed by anyone; returns how to stop. Missing: found at the next read. */
  watch?(target: LbTarget, changed: () => void): () => void;
  /** True: there is all that was read or applied last, for sure, so it need not be read now and then. Missing: nobody can tell. */
  unchanged?(target: LbTarget): boolean;
  /**
   * What others have there that keeps ours from working, and how they would allow it, as it was at the last `read` or `apply`: the
   * target is degraded as long as it is so.
   */
  blocked?(target: LbTarget): string | undefined;
  /** Removes everything of ours from there. */
  clear(target: LbTarget): Promise<void>;
  /** The namespace is gone, and all that was in it: nothing need be known of it any more. Missing: nothing is. */
  forget?(target: LbTarget): void;
  /** Ends helper processes and handles. */
  close?(): void;
}

/** Connections that were led to tasks, and what they carried: packets as the kernel handles them, octets from the IP header on. */
export interface Taken {
  readonly connections: number;
  /** Both ways together. */
  readonly packets: number;
  readonly bytes: number;
}

/** Sysctls that namespaces with virtual servers of this backend need. */
export const sysctlsOf = (backend: LbBackend, idle: Idle): Readonly<Record<string, string>> =>
  backend.sysctls?.(idle) ?? conntrackSysctls(idle);

/** A backend's failure: "missing" (tool, kernel module), "denied", "gone" (the namespace), "failed" (everything else). */
export class LbError extends Error {
  readonly code: "missing" | "denied" | "gone" | "failed";
  readonly target: string;

  constructor(code: LbError["code"], target: LbTarget, message: string) {
    super(`${target.id}: ${message}`);
    this.name = "LbError";
    this.code = code;
    this.target = target.id;
  }
}

/** True if the namespace is not there any more: nothing of ours is there either. */
export const isGone = (error: unknown): error is LbError => error instanceof LbError && error.code === "gone";
