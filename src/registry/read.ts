/** A batch as it is given: each change read once, and whatever keeps it from being read is the batch's fault. */
import { type Given, readChange } from "../model/change.ts";
import { thrownText } from "../model/thrown.ts";
import { RegistryError } from "./error.ts";

/** The result shares nothing with what was given. Throws a RegistryError, a getter's or a proxy's own error as its cause. */
export function readAll(changes: unknown): Given[] {
  const given: Given[] = [];
  let index: number | undefined;
  try {
    if (!Array.isArray(changes)) throw new RegistryError("invalid", "changes must be a list of changes");
    const { length } = changes;
    for (index = 0; index < length; index++) given.push(read(changes[index]));
    return given;
  } catch (error) {
    throw Object.assign(error instanceof RegistryError ? error : unreadable(error), index !== undefined && { index });
  }
}

/** `stored`: as a store has kept it. */
export function read(change: unknown, stored = false): Given {
  const given = readChange(change, { stored });
  if (given.kind !== "none") return given;
  const { op, called, path, message } = given;
  const error = new RegistryError("invalid", `${called}: ${path === "" ? "it" : path} ${message}`, path || undefined);
  error.op = op;
  throw error;
}

function unreadable(cause: unknown): RegistryError {
  return Object.assign(new RegistryError("invalid", `change: it can't be read: ${thrownText(cause)}`), { cause });
}
