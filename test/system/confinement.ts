/**
 * A unit file's restrictions, as far as they can be had without systemd: capabilities, no new privileges, a read-only file system, hidden
 * homes, and the system call filter, made with systemd's own groups and libseccomp.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Settings of [Service], in their order; a later line of the same name adds to it. */
export type Unit = ReadonlyMap<string, readonly string[]>;

export function readUnit(path: string): Unit {
  const unit = new Map<string, string[]>();
  for (const [, key, value] of readFileSync(path, "utf8").matchAll(/^(\w+)=(.*)$/gm))
    unit.set(key!, [...(unit.get(key!) ?? []), value!]);
  return unit;
}

const words = (unit: Unit, key: string): string[] => (unit.get(key) ?? []).flatMap((value) => value.split(/\s+/));

export const capabilitiesOf = (unit: Unit): string[] => words(unit, "CapabilityBoundingSet");

export interface Confinement {
  /** Instead of the unit's. */
  readonly capabilities?: readonly string[];
  /** May be written to, besides what the unit says: the unit's administrator would add them. */
  readonly writable?: readonly string[];
}

/** The words that run a command so, before the command. */
export function confined(
  unit: Unit,
  { capabilities = capabilitiesOf(unit), writable = [] }: Confinement = {},
): string[] {
  const bound = ["-all", ...capabilities.map((cap) => `+${cap.replace("CAP_", "").toLowerCase()}`)].join(",");
  const mayWrite = [...words(unit, "ReadWritePaths").map((path) => path.replace(/^-/, "")), ...writable];
  return [
    ...[
      "unshare",
      "--mount",
      "--propagation",
      "slave",
      "sh",
      "-euc",
      FILE_SYSTEM,
      mayWrite.join(" "),
      hidden().join(" "),
    ],
    ...["setpriv", "--bounding-set", bound, "--no-new-privs"],
    ...[process.execPath, fileURLToPath(new URL("filtered.mjs", import.meta.url)), allowed(unit).join(",")],
  ];
}

/** ProtectSystem=strict and ProtectHome=yes. $0: what may be written to; $1: what is hidden; then the command. */
const FILE_SYSTEM = `
for path in $0; do [ ! -e "$path" ] || mount --bind "$path" "$path"; done
while read -r _ at _; do
  case "$at" in /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) continue ;; esac
  case " $0 " in *" $at "*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;; esac
done < /proc/self/mounts
for path in $1; do [ ! -d "$path" ] || mount -t tmpfs -o ro,mode=0 tmpfs "$path"; done
shift
exec "$@"`;

/** What ProtectHome= hides, unless the program under test is in there. */
const hidden = (): string[] =>
  ["/home", "/root", "/run/user"].filter(
    (folder) => ![process.cwd(), process.execPath].some((p) => p.startsWith(folder)),
  );

/** The calls that SystemCallFilter= allows: groups added and taken away, line by line. */
function allowed(unit: Unit): string[] {
  const calls = new Set<string>();
  for (const line of unit.get("SystemCallFilter") ?? [])
    for (const name of line.replace(/^~/, "").split(/\s+/))
      for (const call of name.startsWith("@") ? group(name) : [name])
        if (line.startsWith("~")) calls.delete(call);
        else calls.add(call);
  for (const call of group("@default")) calls.add(call); // systemd always does
  return [...calls];
}

function group(name: string): string[] {
  const listed = execFileSync("systemd-analyze", ["syscall-filter", name], { encoding: "utf8" });
  const members = listed.split("\n").flatMap((line) => /^ +([@\w-]+)$/.exec(line)?.[1] ?? []);
  return members.flatMap((member) => (member.startsWith("@") ? group(member) : [member]));
}
