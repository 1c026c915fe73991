/**
 * Leaves kernel settings as they were found: what we set is remembered with what it was before, over restarts and kill -9, and put back
 * when nothing of ours stays in that namespace. A value that is not ours any more is somebody else's by now, and stays.
 */
import { readdirSync } from "node:fs";
import type { StateDir } from "../../../os/state-dir.ts";
import type { LbTarget } from "../../state.ts";
import { isGone } from "../backend.ts";
import { inside, lbError } from "./failure.ts";
import { FoundRecord, type Place, type Settings } from "./found-record.ts";
import { readSysctls, writeSysctls } from "./sysctls.ts";

/** How settings of a namespace are read and written. */
export interface Access {
  /** Without those that the kernel does not have. */
  readonly read: (target: LbTarget, keys: readonly string[]) => Readonly<Record<string, string>>;
  readonly write: (target: LbTarget, values: ReadonlyMap<string, string>) => void;
  /** Settings that can be read and written so, whether the kernel has them or not. Missing: all. */
  readonly knows?: (key: string) => boolean;
}

/** IPVS's timeouts are no files: they are remembered until a backend comes that knows them. */
const FILES: Access = { read: readSysctls, write: writeSysctls, knows: (key) => key.startsWith("net/") };

export class Found {
  readonly #record: FoundRecord;

  /** Without a directory, it remembers until this process ends. */
  constructor(stateDir?: StateDir, say: (problem: string) => void = () => {}) {
    this.#record = new FoundRecord(stateDir, say);
  }

  /** Sets values. Throws an LbError for the first that can't be set. */
  set(target: LbTarget, values: ReadonlyMap<string, string>, access = FILES): void {
    if (values.size === 0) return;
    const place = this.#at(target);
    const found = place.settings;
    const now = access.read(target, [...values.keys()]);
    let known = true;
    for (const [key, ours] of values) {
      const was = found.get(key);
      const before = was?.before ?? now[key];
      if (before === undefined || (was === undefined ? before === ours : was.ours === ours)) continue;
      found.set(key, { before, ours });
      if (was === undefined && before === "0") noteAlong(target, key, found);
      known = false;
    }
    if (!known) this.#record.keep(place); // before they are others
    access.write(target, values);
  }

  /** Puts back what still is as we have set it; with `which`, only the settings that it says yes to. Throws an LbError. */
  putBack(target: LbTarget, access = FILES, which: (key: string) => boolean = () => true): void {
    if (this.#record.empty) return;
    const place = this.#at(target);
    const mine = [...place.settings].filter(([key]) => (access.knows?.(key) ?? true) && which(key));
    if (mine.length === 0) return;
    const keys = mine.map(([key]) => key);
    const now = access.read(target, keys);
    const back = mine.filter(([key, { ours }]) => now[key] === ours);
    access.write(target, new Map(back.map(([key, { before }]) => [key, before])));
    for (const key of keys) place.settings.delete(key);
    this.#record.keep(place);
  }

  #at(target: LbTarget): Place {
    try {
      return this.#record.at(target.netns);
    } catch (error) {
      const failure = lbError(target, "settings", error);
      if (isGone(failure)) this.#record.forget(target.netns);
      throw failure;
    }
  }
}

const FORWARDING: Readonly<Record<string, string>> = {
  "net/ipv4/ip_forward": "net/ipv4/conf",
  "net/ipv6/conf/all/forwarding": "net/ipv6/conf",
};
/** The kernel turns it off for hosts that forward, and on for those that do not (inet_forward_change). */
const REDIRECTS = "net/ipv4/conf/all/accept_redirects";

/**
 * Setting `ip_forward` sets `forwarding` of every interface with it, and REDIRECTS the other way round; so does putting it back. Interfaces
 * that forwarded before the host did, and a host that took no redirects, would then not be as they were: those settings are noted here, to be
 * put back after it.
 */
function noteAlong(target: LbTarget, key: string, found: Settings): void {
  const folder = FORWARDING[key];
  if (folder === undefined) return;
  const devices = inside(target, "settings", () => readdirSync(`/proc/sys/${folder}`));
  const own = devices.map((device) => `${folder}/${device}/forwarding`).filter((other) => other !== key);
  const now = readSysctls(target, key === "net/ipv4/ip_forward" ? [...own, REDIRECTS] : own);
  for (const [other, value] of Object.entries(now))
    if (value === (other === REDIRECTS ? "0" : "1")) found.set(other, { before: value, ours: value });
}
