/** Checks of names that every kind of object shares. */
import { foldCase, nameProblem } from "../model/name.ts";
import { RegistryError } from "./error.ts";

/** Throws unless every name can be served; `owner` is how people know the object. */
export function checkNames(owner: string, names: readonly (string | undefined)[]): void {
  for (const name of names) {
    const problem = name === undefined ? undefined : nameProblem(name.replace(/^\*\./, ""));
    if (problem !== undefined) throw new RegistryError("invalid", `${owner}: name "${name}" ${problem}`);
  }
}

/** Names are equal whatever their case. */
export const folded = (name: string): string => foldCase(name);
