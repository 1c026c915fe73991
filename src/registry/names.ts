/** Checks of names that every kind of object shares. */
import { callingProblem, foldCase } from "../model/name.ts";
import { brief } from "../model/quote.ts";
import { RegistryError } from "./error.ts";

/**
 * Throws unless something may be called so; `owner` is how people know the object, `path` the field. Docker takes names that DNS
 * has no form for (labels above 63 octets, empty ones), and so do we: they just can't be asked for.
 */
export function checkName(owner: string, name: string | undefined, path: string): void {
  if (name !== undefined && !PLAIN.test(name)) refuseIf(callingProblem(name), owner, name, path);
}

/** The same for networks and sandboxes, where Docker takes white space, too. */
export function checkSpacedName(owner: string, name: string, path: string): void {
  refuseIf(callingProblem(name, true), owner, name, path);
}

export function checkAliases(owner: string, aliases: readonly string[]): void {
  for (let i = 0; i < aliases.length; i++) {
    const alias = aliases[i]!;
    if (!PLAIN.test(alias)) refuseIf(callingProblem(alias), owner, alias, `aliases[${i}]`);
  }
}

function refuseIf(problem: string | undefined, owner: string, name: string, path: string): void {
  if (problem === undefined) return;
  throw new RegistryError("invalid", `${owner}: name ${JSON.stringify(brief(name))} ${problem}`, path);
}

/** Most names, told at a glance: labels of letters, digits, hyphens and underscores, short enough whatever they are. */
const PLAIN = /^(?=.{1,63}$)[\w-]+(\.[\w-]+)*$/;

/** Names are equal whatever their case. */
export const folded = (name: string): string => foldCase(name);
