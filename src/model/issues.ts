/** zod's issues in our words: what would be right, at which place. */
import type { z } from "zod";
import { brief } from "./quote.ts";

/** A place in what was given: keys and indices. */
export type Place = readonly (string | number)[];

export interface Told {
  readonly place: Place;
  /** "is missing", "must be a list", …: to be read behind the place. */
  readonly message: string;
  /** It is about the key at `place`, not about what stands there. */
  readonly key: boolean;
}

/** How a list and an object are called where it was written: YAML has mappings. */
export interface Nouns {
  readonly list: string;
  readonly object: string;
}

/** All issues in their order; of a union's forms, the one that was meant. */
export function tellIssues(issues: readonly z.core.$ZodIssue[], nouns: Nouns, around: Place = []): Told[] {
  return issues.flatMap((issue): Told[] => {
    const place = [...around, ...(issue.path as Place)];
    const told = (message: string): Told[] => [{ place, message, key: false }];
    switch (issue.code) {
      case "invalid_union":
        if (issue.errors.length === 0) return told(`must be ${oneOf("options" in issue ? issue.options : [])}`); // a kind that no form has
        return issue.errors.every(isOtherForm)
          ? told(`must be ${issue.errors.map(([form]) => formText(form!, nouns)).join(" or ")}`)
          : tellIssues(meant(issue.errors), nouns, place);
      case "unrecognized_keys":
        return issue.keys.map((key) => ({
          place: [...place, key],
          message: "is no key that is known here",
          key: true,
        }));
      case "invalid_value":
        return told(`must be ${oneOf(issue.values)}`);
      case "invalid_type":
        return told(issue.message.includes("undefined") ? "is missing" : `must be ${article(issue.expected, nouns)}`);
      case "too_small":
        if (issue.origin === "string") return told("must not be empty");
        return told(`must be at least ${issue.minimum}${issue.origin === "array" ? " long" : ""}`);
      case "too_big":
        return told(`must be at most ${issue.maximum}${LENGTHS[issue.origin] ?? ""}`);
      case "invalid_key":
        return tellIssues(issue.issues, nouns, place);
      default:
        return told(issue.message.replace(/^Invalid input: /, ""));
    }
  });
}

const LENGTHS: Readonly<Record<string, string>> = { array: " long", string: " characters" };

/** What was given has not the form as such: it has nothing wrong inside, nor is it missing. */
const isOtherForm = ([issue, ...more]: readonly z.core.$ZodIssue[]): boolean =>
  more.length === 0 &&
  issue?.path.length === 0 &&
  (issue.code === "invalid_value" || (issue.code === "invalid_type" && !issue.message.includes("undefined")));

const formText = (issue: z.core.$ZodIssue, nouns: Nouns): string =>
  issue.code === "invalid_value"
    ? oneOf(issue.values)
    : issue.code === "invalid_type"
      ? article(issue.expected, nouns)
      : "";

/** The form whose complaint lies deepest, or is not about the type as such. */
function meant(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const score = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(...issues.map((i) => i.path.length * 2 + (i.code === "invalid_type" && i.path.length === 0 ? 0 : 1)));
  return [...branches].sort((a, b) => score(b) - score(a))[0] ?? [];
}

const oneOf = (values: readonly unknown[]): string =>
  values.map((v) => (typeof v === "string" ? `"${v}"` : String(v))).join(" or ");

function article(type: string, { list, object }: Nouns): string {
  if (type === "array") return list;
  if (type === "object" || type === "record") return object;
  return type === "int" ? "a whole number" : `a ${type}`;
}

/** "task.endpoints[0].ip4". */
export const pathText = (place: Place): string =>
  place.map((step, i) => (typeof step === "number" ? `[${step}]` : `${i > 0 ? "." : ""}${brief(step)}`)).join("");

/** Not a Map, a Date or the like, whose fields are not what it holds. Instances of people's own classes may be. */
export const isPlain = (object: object): boolean => Object.prototype.toString.call(object) === "[object Object]";

const looksLike = (object: object): string =>
  isPlain(object) ? "an object" : `a ${Object.prototype.toString.call(object).slice(8, -1)}`;

/** A message, and what stands there instead, where that says more. */
export function instead(message: string, value: unknown, place: Place): string {
  if (message === "is missing" || message.includes(", not ")) return message;
  const found = at(value, place);
  return `${message}, not ${Array.isArray(found) && message.endsWith(" long") ? found.length : shown(found)}`;
}

function at(value: unknown, place: Place): unknown {
  let found = value;
  for (const step of place) found = (found as Readonly<Record<string | number, unknown>>)[step];
  return found;
}

/** As people would write it, if it is short. */
export function shown(found: unknown): string {
  if (typeof found === "string")
    return found.length > 60 ? `${JSON.stringify(found.slice(0, 60))}…` : JSON.stringify(found);
  if (typeof found === "object" && found !== null) return Array.isArray(found) ? "a list" : looksLike(found);
  if (found === Infinity || found === -Infinity) return `${found} (it is too large to be held)`;
  return typeof found === "function" ? "a function" : String(found);
}
