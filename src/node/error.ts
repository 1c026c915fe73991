/** Why a node refuses to do what it is asked; what is wrong with a change is a RegistryError, what is wrong with a store a StoreError. */

/**
 * "closed": `close` was called. "unknown": there is no sandbox of that id. "stored": the node has a store, so state changes by `write`
 * only. "invalid": what it was given is no name or no type.
 */
export type NodeCode = "closed" | "unknown" | "stored" | "invalid";

export class NodeError extends Error {
  readonly code: NodeCode;
  /** The method: "apply", "listening", … */
  readonly op: string;

  constructor(code: NodeCode, op: string, message: string) {
    super(message);
    this.name = "NodeError";
    this.code = code;
    this.op = op;
  }
}
