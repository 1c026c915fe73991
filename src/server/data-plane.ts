/** Who answers: the interface that every data plane fulfils, whether it runs on this thread or on others. */

import type { ForwarderCounters } from "../forwarder/core/counters.ts";
import type { Listen, SandboxId } from "../model/types.ts";
import type { ScopePatch } from "../scoping/patch.ts";
import type { Tables } from "../scoping/tables.ts";
import type { ServeCounters } from "./serve.ts";

export interface DataPlane {
  /** Takes effect before the next packet is read. */
  update(patch: ScopePatch): void;
  /** Opens the sandbox's listening sockets, UDP and TCP each; all or none. */
  attach(sandbox: SandboxId, listen: readonly Listen[], place?: Place): Promise<readonly Bound[]>;
  /** Closes what only this sandbox listens on. */
  detach(sandbox: SandboxId): Promise<void>;
  /** Resolves when answers come from this revision, which has been handed to `update`, or a later one. */
  applied(revision: number): Promise<void>;
  /** Answers one query without a socket. */
  ask(query: Uint8Array, sandbox: SandboxId): Promise<Uint8Array>;
  /** Forgets all answers of upstreams that are kept. */
  flush(): Promise<void>;
  /** Before a restart that keeps the sockets: reads no more where it can help it, and resolves when nobody waits for an upstream. */
  drain(): Promise<void>;
  /** What is in force on this thread; others have the same, a moment earlier or later. */
  readonly tables: Tables;
  readonly counters: { readonly serve: Readonly<ServeCounters>; readonly forward: Readonly<ForwarderCounters> };
  /** Sandboxes whose sockets are open and that are not answered reliably all the same, and why. */
  readonly problems: ReadonlyMap<SandboxId, Error>;
  /** Ends, and the forwarder with it. Who waits for an upstream gets its answer if it comes soon, else an error. */
  close(): Promise<void>;
}

/** A listening address as it came to be (port 0 became a real one). */
export interface Bound {
  readonly address: string;
  readonly port: number;
}

/** Where sockets are opened. */
export interface Place {
  /** Path of a network namespace. Missing: this process's own. */
  readonly netns?: string;
  /** Random ports with a redirect of port 53 in front of them. */
  readonly redirect?: boolean;
}

/** A pair of sockets that is open already, as descriptors; whoever gets them closes them. */
export interface Sockets {
  readonly udp: number;
  readonly tcp: number;
  /** As clients see it. */
  readonly port: number;
  /** Undoes what was done beside opening. Called once the sockets are closed. */
  release?(): Promise<void>;
}

/** Opens sockets by hand: in namespaces, or taken over from an earlier process. */
export type OpenSockets = (listen: Listen, place: Place) => Promise<Sockets>;
