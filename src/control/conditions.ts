/** Conditions on what is there (RFC 9110, 13.1): a tag is the revision in which an object, or for lists the state, last changed. */
import type { IncomingMessage } from "node:http";
import { brief } from "../model/quote.ts";
import { Problem } from "./problem.ts";

export const tagOf = (revision: number): string => `"${revision}"`;

export interface Conditions {
  /** There is any: what is there must not change until it is done. */
  readonly any: boolean;
  /** `revision`: undefined if it is not there. Throws a Problem. */
  check(what: string, revision: number | undefined): void;
  /** A client that reads has what there is. */
  unchanged(revision: number): boolean;
}

export function conditionsOf({ headers }: IncomingMessage): Conditions {
  const match = tags("If-Match", headers["if-match"]);
  const none = tags("If-None-Match", headers["if-none-match"]);
  const holds = (wanted: readonly string[], revision: number | undefined): boolean =>
    revision !== undefined && (wanted.includes("*") || wanted.includes(tagOf(revision)));
  return {
    any: match !== undefined || none !== undefined,
    check(what, revision) {
      if (none?.some((tag) => tag !== "*")) throw new Problem("invalid", ONLY_NONE);
      const is = revision === undefined ? "there is none" : `it is at ${tagOf(revision)}`;
      if (match !== undefined && !holds(match, revision))
        throw new Problem("precondition", `${what} is not what If-Match says: ${is}; read it again`);
      if (none !== undefined && holds(none, revision))
        throw new Problem("precondition", `${what} is what If-None-Match excludes: ${is}`);
    },
    unchanged: (revision) => none !== undefined && holds(none, revision),
  };
}

/** A client that thinks otherwise would write over what it has not seen. */
const ONLY_NONE = "If-None-Match: a write knows only *, which says that there must be none; If-Match takes tags";

/** Weak ones match nothing here. Without its quotes a number is taken for what was meant. */
function tags(header: string, text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const all = text.split(",").map((tag) => tag.trim());
  if (!all.every((tag) => /^(\*|\d+|(W\/)?"[\x21\x23-\x7e\x80-\xff]*")$/.test(tag)))
    throw new Problem("invalid", `${header}: ${brief(text)} is no list of tags; one is "17"`);
  return all.map((tag) => (/^\d+$/.test(tag) ? `"${tag}"` : tag));
}
