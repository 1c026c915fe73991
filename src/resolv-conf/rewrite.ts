/**
 * The sandbox's resolv.conf, rewritten as Docker does it: 127.0.0.11 is asked, search list and options stay, ndots:0, and
 * comments say where everything came from. A file that somebody has changed since is seen, and left alone. The file is the
 * container's: what it says is asked for from the container's own namespace, and from nowhere else.
 */

import { canonicalAddress } from "../model/address.ts";
import type { FileBeneath, Found, Upstream } from "../model/types.ts";
import type { StateDir } from "../os/state-dir.ts";
import { withForeignFile } from "./foreign-file.ts";
import { hasNdots, parseResolvConf, type ResolvConf, resolvConfUpstreams } from "./parse.ts";
import { type Kept, ResolvConfRecord } from "./record.ts";
import { render } from "./text.ts";

export interface ResolvConfOptions {
  /** A path without links, or a file in a container's root file system. */
  readonly file: string | FileBeneath;
  /** What the sandbox listens on, the file's only name server, … */
  readonly address: string;
  /** … and what else it listens on. */
  readonly own: readonly string[];
  /** Those of the sandbox. Missing: those of the old file stay. */
  readonly search?: readonly string[] | undefined;
  readonly ndots?: number | undefined;
  /** The sandbox's own upstreams. Missing: those of the old file are used. */
  readonly upstreams?: readonly Upstream[] | undefined;
}

export interface Written {
  /** What the old file said. */
  readonly found: Found;
  /** Why the file was left alone: it is somebody else's now. */
  readonly problem?: string;
}

/** Rewrites the file unless it was changed since we last did. A missing file is an empty one. Throws an Error that says why it may not. */
export function writeResolvConf(options: ResolvConfOptions, stateDir: StateDir): Written {
  const at = namedFile(options.file);
  const record = new ResolvConfRecord(stateDir, at.full);
  return withForeignFile(at, (file) => {
    const now = file.read();
    const last = record.read(file.folder);
    const changed = last !== undefined && now !== undefined && !isOurs(now, last);
    const kept = changed && last.stale ? undefined : last;
    const before = kept === undefined ? now : (kept.before ?? undefined);
    const old = parseResolvConf(Buffer.from(before ?? "", "latin1").toString());
    const upstreams = upstreamsIn(old, options);
    const found: Found = { upstreams: options.upstreams === undefined ? upstreams : [], ndots: hasNdots(old) };
    if (changed && kept !== undefined) {
      return { found, problem: `${at.full} was changed by somebody else since it was written; it is left alone` };
    }
    const servers = (options.upstreams ?? upstreams).map((u) => u.address);
    const text = render(old, { ...options, path: at.shown, servers, override: options.upstreams !== undefined });
    const octets = Buffer.from(text).toString("latin1");
    if (octets === now) return { found };
    record.write({ before: before ?? null, written: [...(kept?.written.slice(-1) ?? []), octets] }, file.folder);
    file.replace(octets);
    return { found };
  });
}

/** Puts the old file back, unless ours was changed; nothing of us stays either way. Throws an Error that says why it may not. */
export function restoreResolvConf(given: ResolvConfOptions["file"], stateDir: StateDir): void {
  const at = namedFile(given);
  const record = new ResolvConfRecord(stateDir, at.full);
  const last = record.read();
  if (last === undefined) return;
  try {
    withForeignFile(at, (file) => {
      const now = file.read();
      if (now === undefined || now === last.before || !isOurs(now, last)) return;
      if (last.before === null) file.remove();
      else file.replace(last.before);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // with its directory, everything is gone
  } finally {
    record.forget(); // not before: whatever ends us in between, the next process must know what the file was
  }
}

const isOurs = (now: string, { before, written }: Kept): boolean => now === before || written.includes(now);

/** Name servers that are asked at the most: a file can name thousands. The C library takes three. */
const MOST = 8;

/**
 * Addresses on loopback are left out: they meant the host's loopback when somebody copied the host's file, and in the namespace it may
 * be us. So are addresses with a zone: that is the name of an interface in the container.
 */
function upstreamsIn(old: ResolvConf, { address, own }: ResolvConfOptions): Upstream[] {
  const isOwn = (a: string) => a === address || own.includes(a) || LOCAL.test(a) || canonicalAddress(a) === undefined;
  return resolvConfUpstreams(old, { isOwn }).slice(0, MOST);
}

/** 127.0.0.0/8, ::1, and the wildcard addresses, which connect(2) takes for loopback. */
const LOCAL = /^(::ffff:)?(127|0)\.|^::1?$/;

interface NamedFile extends FileBeneath {
  /** As we know it. */
  readonly full: string;
  /** As the container knows it. */
  readonly shown: string;
}

function namedFile(file: string | FileBeneath): NamedFile {
  if (typeof file === "string") return { root: "/", path: file.replace(/^\/+/, ""), full: file, shown: file };
  const { root, path } = file;
  return { root, path, full: `${root.replace(/\/+$/, "")}/${path}`, shown: `/${path}` };
}
