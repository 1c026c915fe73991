/**
 * What was read from a kernel that a container may write to, by type and with bounds. Whatever is not of its type is foreign, and
 * with it all that it was read with; nothing but what these functions return goes on from there. Pure.
 */
import { canonicalAddress, familyOf, parseCidr } from "../../../model/address.ts";
import type { Protocol, Scheduler } from "../../../model/types.ts";
import { FIRST_MARK, LAST_MARK } from "../../marks.ts";

/** Nothing that we would have written. */
class Foreign extends Error {}

/** Ends the reading that is at work. */
export function foreign(): never {
  throw new Foreign("not as we write it");
}

/** What `read` returns; undefined if it came upon something foreign. */
export function unlessForeign<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Foreign) return undefined;
    throw error;
  }
}

type Text = string | undefined;

export function addressIn(family: 4 | 6, text: Text): string {
  const address = canonicalAddress(text ?? "");
  if (address === undefined || familyOf(address) !== family) return foreign();
  return address;
}

/** "10.0.1.0/24". */
export function rangeIn(family: 4 | 6, text: Text): string {
  if (parseCidr(text ?? "")?.family !== family) return foreign();
  const [base = "", length] = text!.split("/");
  return `${addressIn(family, base)}/${Number(length)}`;
}

export function number(text: Text, least: number, most: number): number {
  if (text === undefined || !/^(0|[1-9]\d{0,9})$/.test(text)) return foreign();
  const value = Number(text);
  return value >= least && value <= most ? value : foreign();
}

export const port = (text: Text): number => number(text, 1, 65_535);
/** Published ports of a namespace, each of which is looked at: more than a cluster has. */
export const MOST_PORTS = 100_000;
export const weight = (text: Text): number => number(text, 0, 65_535);
export const mark = (text: Text): number => number(text, FIRST_MARK, LAST_MARK);
/** As the registry has it: a day at most. */
export const affinity = (text: Text): number => number(text, 0, 86_400);
/** Affinity of a server that an interruption has left half done: never what is wanted, so that it is changed or removed. */
export const NOT_WHOLE = -1;

/**
 * What the kernel takes for an interface's name (dev_valid_name), as far as it can be printed, and nothing that means something to a tool
 * or in a path.
 */
export const isDevice = (text: string): boolean => /^[!-~]{1,15}$/.test(text) && !/[/:"';{}\\]|^\.\.?$/.test(text);

export const device = (text: Text): string => (text !== undefined && isDevice(text) ? text : foreign());

/** One of these. */
export function word<T extends string>(text: Text, among: readonly T[]): T {
  const found = among.find((one) => one === text);
  return found ?? foreign();
}

export const PROTOCOLS: readonly Protocol[] = ["tcp", "udp", "sctp"];
export const SCHEDULERS: readonly Scheduler[] = ["rr", "wrr", "lc", "wlc", "sh", "mh"];

/** A server's key as it is written: names of service and network, encoded. */
export const KEY = /^(?:[!#$&-~]|%[0-9A-F]{2}){1,4096}$/;

/** Each once. */
export function distinct(names: readonly string[]): void {
  if (new Set(names).size < names.length) foreign();
}
