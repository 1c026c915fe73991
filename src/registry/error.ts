/** Why the registry refused a change. Nothing of the batch has happened when one is thrown. */
import type { ChangeInput } from "../model/input.ts";

export type RegistryCode = "invalid" | "conflict" | "unknown" | "in-use" | "exhausted";

export class RegistryError extends Error {
  readonly code: RegistryCode;
  /** Which field it is about, within the change: "task.endpoints[0].ip4". Missing: the change as a whole. */
  path: string | undefined;
  /** Kind of the change that was refused, "service.put" say. Missing: it has none, or none that we know. */
  op: ChangeInput["kind"] | undefined;
  /** Its place in the batch, from 0. Missing: the batch is no list. */
  index: number | undefined;

  /** `path` as far as it is known here, within the object: "endpoints[0].ip4". */
  constructor(code: RegistryCode, message: string, path?: string) {
    super(message);
    this.name = "RegistryError";
    this.code = code;
    this.path = path;
  }
}

/** The error, its path seen from further out: "ip4" in "endpoints[0]" is "endpoints[0].ip4". To be thrown again. */
export function within(place: string, error: unknown): unknown {
  if (error instanceof RegistryError) error.path = error.path === undefined ? place : `${place}.${error.path}`;
  return error;
}
