/** What a backend is: whatever installs balancing state in a namespace, and says what is there. */
import type { Destination, LbOp, LbState, LbTarget, VirtualServer } from "../state.ts";

/** Installs and reads balancing state in a namespace. Adding one: a file in backends/, and a row in the conformance suite. */
export interface LbBackend {
  readonly name: string;
  /** Rejects with an LbError that says what is missing if this backend can't work there. */
  probe(target: LbTarget): Promise<void>;
  /** What is ours there now. Foreign rules, addresses and servers are not seen; `sysctls` holds those that `keys` names. */
  read(target: LbTarget, keys: readonly string[]): Promise<LbState>;
  /** Does the steps, in order, in as few batches as it can. `desired` is the whole state that they lead to. */
  apply(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<void>;
  /** Connections that are still open between clients and this task, through this server: for draining. */
  connections(target: LbTarget, server: VirtualServer, destination: Destination): Promise<number>;
  /** Calls `changed` when the namespace's rules may have been changed by anyone; returns how to stop. Optional. */
  watch?(target: LbTarget, changed: () => void): () => void;
  /** Removes everything of ours from there. */
  clear(target: LbTarget): Promise<void>;
  /** Ends helper processes and handles. */
  close?(): void;
}

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
