/** Checks of names that every kind of object shares. */
import { callingProblem, foldCase } from "../model/name.ts";
import { RegistryError } from "./error.ts";

/**
 * Throws unless everything may be called so; `owner` is how people know the object. Docker takes names that DNS has no form for
 * (labels above 63 octets, empty ones), and so do we: they just can't be asked for. White space it takes in networks' names only.
 */
export function checkNames(owner: string, names: readonly (string | undefined)[]): void {
  for (const name of names) {
    if (name === undefined || PLAIN.test(name)) continue;
    refuseIf(callingProblem(name), owner, name);
  }
}

/** The same for networks and sandboxes, where white space is fine. */
export function checkName(owner: string, name: string): void {
  refuseIf(callingProblem(name, true), owner, name);
}

function refuseIf(problem: string | undefined, owner: string, name: string): void {
  if (problem !== undefined) throw new RegistryError("invalid", `${owner}: name ${JSON.stringify(name)} ${problem}`);
}

/** Most names, told at a glance: labels of letters, digits, hyphens and underscores, short enough whatever they are. */
const PLAIN = /^(?=.{1,63}$)[\w-]+(\.[\w-]+)*$/;

/** Names are equal whatever their case. */
export const folded = (name: string): string => foldCase(name);
