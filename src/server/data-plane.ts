/** Who answers: the interface that every data plane fulfils, whether it runs on this thread or on another. */
import type { Listen, SandboxId } from "../model/types.ts";
import type { ScopePatch } from "../scoping/patch.ts";
import type { ServeCounters } from "./serve.ts";

export interface DataPlane {
  /** Takes effect before the next packet is read. */
  update(patch: ScopePatch): void;
  /** Opens the sandbox's listening sockets, UDP and TCP each; all or none. */
  attach(sandbox: SandboxId, listen: readonly Listen[]): Promise<readonly Bound[]>;
  /** Closes what only this sandbox listens on. */
  detach(sandbox: SandboxId): Promise<void>;
  /** Resolves when answers come from this revision or a later one. */
  applied(revision: number): Promise<void>;
  readonly counters: Readonly<ServeCounters>;
  close(): Promise<void>;
}

/** A listening address as it came to be (port 0 became a real one). */
export interface Bound {
  readonly address: string;
  readonly port: number;
}
