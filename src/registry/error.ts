/** Why the registry refused a change. Nothing of the batch has happened when one is thrown. */
import type { Change } from "../model/types.ts";

export type RegistryCode = "invalid" | "conflict" | "unknown" | "in-use" | "exhausted";

export class RegistryError extends Error {
  readonly code: RegistryCode;
  /** Kind of the change that was refused, "service.put" say. */
  op: Change["kind"] | undefined;
  /** Its place in the batch, from 0. */
  index: number | undefined;

  constructor(code: RegistryCode, message: string) {
    super(message);
    this.name = "RegistryError";
    this.code = code;
  }
}
