/** Ways for a flag to fill a field of the body of a write. */
import { type Json, list } from "../text/json.ts";
import { UsageError } from "../usage.ts";

/** The body of a write as it comes to be: fields of ChangeInput's objects. */
export type Draft = Record<string, unknown>;

export interface Flag {
  /** As commander reads it: "--driver <NAME>". */
  readonly flags: string;
  readonly about: string;
  /** Missing: create and update alike. */
  readonly only?: "create" | "update";
  /** May be given again, each adding to the list. */
  readonly many?: true;
  readonly choices?: readonly string[];
  /** `now`: the object as it is; empty when it is created. */
  readonly into: (draft: Draft, value: string, now: Json) => void;
}

export const set =
  (field: string, read: (text: string) => unknown = (text) => text) =>
  (draft: Draft, value: string): void => {
    draft[field] = read(value);
  };

/** One more in a list that begins empty: an update then has a list of its own. */
export const add =
  (field: string, read: (text: string) => unknown = (text) => text) =>
  (draft: Draft, value: string): void => {
    draft[field] = [...list(draft[field]), read(value)];
  };

/** One more in the list that is there. */
export const addTo =
  (field: string, read: (text: string) => unknown) =>
  (draft: Draft, value: string, now: Json): void => {
    draft[field] = [...list(draft[field] ?? now[field]), read(value)];
  };

export const removeFrom =
  (field: string, isIt: (item: Json, text: string) => boolean) =>
  (draft: Draft, value: string, now: Json): void => {
    draft[field] = list(draft[field] ?? now[field]).filter((item) => !isIt(item, value));
  };

/** A field within a field, such as balance.drain. */
export const inside =
  (field: string, name: string, read: (text: string) => unknown = (text) => text) =>
  (draft: Draft, value: string, now: Json): void => {
    draft[field] = { ...((draft[field] ?? now[field]) as Draft | undefined), [name]: read(value) };
  };

/** Of the one network that was given; with several it has to stand with its own. */
export const ofNetwork =
  (flag: string, field: "networks" | "endpoints", fill: (text: string, before: Json) => Draft) =>
  (draft: Draft, value: string): void => {
    const [one, ...others] = list(draft[field]);
    if (one === undefined) throw new UsageError(`${flag} is about a network: --network NAME ${flag} ${value}`);
    if (others.length > 0)
      throw new UsageError(`${flag}: which network's? --network name=NAME,${flag.slice(2)}=${value} says so`);
    draft[field] = [{ ...one, ...fill(value, one) }];
  };

export function whole(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new UsageError(`must be a whole number, not ${text}`);
  return Number(text);
}

export const yes = (): true => true;
