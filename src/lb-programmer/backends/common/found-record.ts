/**
 * What was found in namespaces before us, one small file for each in the state directory: `found.<cookie>`. A cookie is one namespace's
 * until the next boot, whatever path leads to it: files of an earlier boot, and of namespaces that are gone, are removed. No container can
 * reach the directory.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { OsError } from "../../../os/error.ts";
import { inNetns } from "../../../os/netns.ts";
import { netnsCookieHere } from "../../../os/socket.ts";
import type { StateDir } from "../../../os/state-dir.ts";

/** A setting's value before ours, and ours. */
export interface Was {
  readonly before: string;
  readonly ours: string;
}

/** By setting, in the order in which they are to be put back. */
export type Settings = Map<string, Was>;

export interface Place {
  readonly cookie: string;
  /** Path of the namespace when we were last there; undefined: this process's own. */
  readonly netns: string | undefined;
  readonly settings: Settings;
}

/** With more namespaces than this, we look which of them are gone. */
const FEW = 64;

/** Milliseconds until what could not be written is tried again: a disk is not full for ever. */
const LATER = 5_000;

export class FoundRecord {
  readonly #stateDir: StateDir | undefined;
  readonly #say: (problem: string) => void;
  /** By cookie. Undefined: not read yet. */
  #places: Map<string, Place> | undefined;
  #pruneAt = FEW;
  /** Cookies of what could not be written. */
  readonly #unwritten = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** Without a directory, it remembers until this process ends. */
  constructor(stateDir: StateDir | undefined, say: (problem: string) => void) {
    this.#stateDir = stateDir;
    this.#say = say;
  }

  /** Nothing is known of any namespace. */
  get empty(): boolean {
    return this.#known().size === 0;
  }

  /** What was found in this namespace; whoever changes it calls `keep`. Throws an OsError if it can't be entered. */
  at(netns: string | undefined): Place {
    const cookie = inNetns(netns, cookieHere);
    return { cookie, netns, settings: this.#known().get(cookie)?.settings ?? new Map() };
  }

  /** Remembers it as it is now. */
  keep(place: Place): void {
    const { cookie, settings } = place;
    if (settings.size === 0) {
      this.#drop(cookie);
      return;
    }
    const places = this.#known().set(cookie, place);
    this.#write(place);
    if (places.size > this.#pruneAt) this.#prune(places);
  }

  /** Of namespaces that were here and are not any more. */
  forget(netns: string | undefined): void {
    const places = this.#known();
    for (const [cookie, place] of places) if (place.netns === netns && !leadsTo(netns, cookie)) this.#drop(cookie);
  }

  #known(): Map<string, Place> {
    if (this.#places !== undefined) return this.#places;
    this.#places = new Map();
    for (const file of this.#careful(() => this.#stateDir?.names(PREFIX)) ?? []) {
      const cookie = file.slice(PREFIX.length);
      if (!COOKIE.test(cookie)) continue;
      const place = placeOf(cookie, this.#stateDir?.recall(file, this.#say));
      if (place !== undefined && leadsTo(place.netns, cookie)) this.#places.set(cookie, place);
      else this.#drop(cookie);
    }
    return this.#places;
  }

  #write({ cookie, netns, settings }: Place): void {
    const text: Written = { boot: boot(), ...(netns !== undefined && { netns }), settings: [...settings] };
    this.#unwritten.add(cookie);
    this.#careful(() => {
      this.#stateDir?.write(PREFIX + cookie, text, { durable: false }); // no use to the next boot
      this.#unwritten.delete(cookie);
    });
    if (this.#unwritten.size > 0) this.#timer ??= setTimeout(() => this.#writeAgain(), LATER).unref();
  }

  #writeAgain(): void {
    this.#timer = undefined;
    for (const cookie of [...this.#unwritten]) {
      const place = this.#places?.get(cookie);
      if (place !== undefined) this.#write(place);
    }
  }

  #prune(places: ReadonlyMap<string, Place>): void {
    for (const [cookie, { netns }] of places) if (!leadsTo(netns, cookie)) this.#drop(cookie);
    this.#pruneAt = Math.max(FEW, 2 * places.size);
  }

  #drop(cookie: string): void {
    this.#places?.delete(cookie);
    this.#unwritten.delete(cookie);
    this.#careful(() => this.#stateDir?.remove(PREFIX + cookie));
  }

  /** Where the directory fails, we remember as long as we live. */
  #careful<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
}

const PREFIX = "found.";
const COOKIE = /^\d{1,20}$/;

interface Written {
  readonly boot: string;
  readonly netns?: string;
  readonly settings: readonly (readonly [key: string, was: Was])[];
}

/** Undefined if it is of another run of the machine, or nothing that we would have written. */
function placeOf(cookie: string, read: unknown): Place | undefined {
  const { boot: its, netns, settings } = (read ?? {}) as { [Name in keyof Written]?: unknown };
  if (its !== boot() || !Array.isArray(settings) || (netns !== undefined && typeof netns !== "string"))
    return undefined;
  const good = settings.every((entry) => {
    const [key, { before, ours }] = [entry?.[0], entry?.[1] ?? {}];
    return isSetting(key) && isValue(before) && isValue(ours);
  });
  return good ? { cookie, netns, settings: new Map(settings) } : undefined;
}

/** A file of the network's settings, or one of IPVS's without a file. Names of interfaces are in it, which may be almost anything. */
const isSetting = (key: unknown): boolean =>
  typeof key === "string" && /^(net|ipvs)(\/[^\s/]+)+$/.test(key) && !/\/\.{1,2}(\/|$)/.test(key);
/** A number, several, or ranges of them. */
const isValue = (value: unknown): boolean => typeof value === "string" && /^[\d ,-]{1,1024}$/.test(value);

/** Which run of the machine this is. */
const boot = (): string => {
  thisBoot ??= readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return thisBoot;
};
let thisBoot: string | undefined;

/** Of the namespace of this thread; before Linux 5.14 its inode, which another may have once it is gone. */
const cookieHere = (): string =>
  `${netnsCookieHere() ?? readlinkSync("/proc/thread-self/ns/net").replaceAll(/\D/g, "")}`;

function leadsTo(netns: string | undefined, cookie: string): boolean {
  try {
    return inNetns(netns, cookieHere) === cookie;
  } catch (error) {
    if (error instanceof OsError) return false;
    throw error;
  }
}
