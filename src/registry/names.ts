/** Checks of names that every kind of object shares. */
import { foldCase, nameProblem } from "../model/name.ts";
import { RegistryError } from "./error.ts";

/** Throws unless every name can be served; `owner` is how people know the object. */
export function checkNames(owner: string, names: readonly (string | undefined)[]): void {
  for (const name of names) {
    if (name === undefined || PLAIN.test(name)) continue;
    const problem = nameProblem(name.replace(/^\*\./, ""));
    if (problem !== undefined) throw new RegistryError("invalid", `${owner}: name "${name}" ${problem}`);
  }
}

/** Most names, told at a glance: labels of letters, digits, hyphens and underscores, short enough whatever they are. */
const PLAIN = /^(?=.{1,63}$)[\w-]+(\.[\w-]+)*$/;

/** Names are equal whatever their case. */
export const folded = (name: string): string => foldCase(name);
