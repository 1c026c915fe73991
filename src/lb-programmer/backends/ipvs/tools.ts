/** The tools and calls that the backend uses, in a target's namespace; whatever goes wrong with them is an LbError. */
import { readFileSync, writeFileSync } from "node:fs";
import { OsError } from "../../../os/error.ts";
import { exec } from "../../../os/exec.ts";
import { type IpvsTimeouts, ipvsTimeouts, setIpvsTimeouts } from "../../../os/ipvs.ts";
import { inNetns } from "../../../os/netns.ts";
import { LbError, type LbTarget } from "../../types.ts";
import type { Family } from "./chain.ts";
import { ASK_INTERFACES, parseInterfaces } from "./interfaces.ts";
import { parseSaved, type Saved } from "./saved.ts";

/** Which iptables: the system's own choice, or one of the two flavours. */
export type Flavour = "" | "-legacy" | "-nft";

/** Runs a tool to its end; what it printed. `fails` picks the complaints that count, if not all do. */
export async function run(
  target: LbTarget,
  command: string,
  args: readonly string[],
  input = "",
  fails: (complaint: string) => boolean = () => true,
): Promise<string> {
  const done = await exec(command, args, { netns: target.netns, input }).catch((error: unknown) => {
    throw failure(target, command, error);
  });
  const complaints = done.stderr.split("\n").filter((line) => line !== "" && fails(line));
  if (done.status === 0 || complaints.length === 0) return done.stdout;
  const words = complaints.slice(0, 5).join("; ");
  if (/you must be root|Permission denied|Operation not permitted/.test(words))
    throw new LbError("denied", target, `${command}: ${words} (needs CAP_NET_ADMIN)`);
  const [, absent] = /^sh: (?:line )?\d+: (?:exec: )?([\w-]+): not found/.exec(words) ?? [];
  if (absent !== undefined) throw new LbError("missing", target, notInstalled(absent));
  const lacks = /Couldn't load (match|target)|No chain\/target\/match|Extension .* not supported|Failed to initialize/;
  throw new LbError(lacks.test(words) ? "missing" : "failed", target, `${command}: ${words}`);
}

/** Synchronous work in the target's namespace. */
export function inside<T>(target: LbTarget, what: string, work: () => T): T {
  try {
    return target.netns === undefined ? work() : inNetns(target.netns, work);
  } catch (error) {
    throw failure(target, what, error);
  }
}

const PACKAGES: Readonly<Record<string, string>> = { ip: "iproute2", modprobe: "kmod" };

function failure(target: LbTarget, what: string, error: unknown): LbError {
  if (error instanceof LbError) return error;
  const { code = "", message } = error as { code?: string; message: string };
  if (error instanceof OsError && /namespace|setns/.test(error.op) && (code === "ENOENT" || code === "EINVAL"))
    return new LbError("gone", target, `its network namespace ${target.netns} is gone`);
  if (code === "EPERM" || code === "EACCES" || code === "EROFS")
    return new LbError("denied", target, `${what}: ${message} (needs CAP_NET_ADMIN)`);
  if (code === "ENOENT" && message.startsWith("spawn")) return new LbError("missing", target, notInstalled(what));
  if (code === "ENOENT" && what === "IPVS") return new LbError("missing", target, NO_IPVS);
  return new LbError(code === "ENOENT" ? "missing" : "failed", target, `${what}: ${message}`);
}

const notInstalled = (tool: string): string =>
  `${tool} is not installed (Debian's package ${PACKAGES[tool] ?? "iptables"})`;

export const NO_IPVS = "this kernel has no IPVS (its module ip_vs is not there or not loaded)";

const TOOL: Readonly<Record<Family, string>> = { 4: "iptables", 6: "ip6tables" };

/** What is ours in a namespace's rules. */
export async function savedRules(target: LbTarget, flavour: Flavour): Promise<Readonly<Record<Family, Saved>>> {
  const [four = "", six = ""] = await runAll(target, saveCommands(flavour));
  return { 4: parseSaved(four), 6: parseSaved(six) };
}

/** The same, and what `ip` says of addresses and local routes. */
export async function savedState(target: LbTarget, flavour: Flavour) {
  const interfaces = `printf '${ASK_INTERFACES}' | ip -j -batch -`;
  const [four = "", six = "", json = ""] = await runAll(target, [...saveCommands(flavour), interfaces]);
  return { saved: { 4: parseSaved(four), 6: parseSaved(six) }, ...parseInterfaces(json) };
}

/** ip6tables fails where the kernel has no IPv6. */
const saveCommands = (flavour: Flavour): string[] => [
  `iptables${flavour}-save`,
  `[ ! -e /proc/net/if_inet6 ] || ip6tables${flavour}-save`,
];

/** Several commands in one go, since starting a process is most of the time that they take; what each printed. */
async function runAll(target: LbTarget, commands: readonly string[]): Promise<string[]> {
  return (await run(target, "sh", ["-c", `set -e\n${commands.join("\necho =====\n")}`])).split("=====\n");
}

/** `--wait`: others change rules, too. */
export async function restoreRules(target: LbTarget, flavour: Flavour, family: Family, text: string): Promise<void> {
  if (text !== "") await run(target, `${TOOL[family]}${flavour}-restore`, ["--noflush", "--wait", "5"], text);
}

/** The values of those sysctls that are there. */
export function readSysctls(target: LbTarget, keys: readonly string[]): Record<string, string> {
  return inside(target, "sysctl", () => {
    const values: Record<string, string> = {};
    const timeouts = keys.some((key) => key in TIMEOUTS) ? ipvsTimeouts() : undefined;
    for (const key of keys) {
      const timeout = TIMEOUTS[key];
      try {
        values[key] =
          timeout === undefined
            ? readFileSync(`/proc/sys/${key}`, "latin1").trim().replaceAll(/\s+/g, " ")
            : `${timeouts![timeout]}`;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    return values;
  });
}

export function writeSysctls(target: LbTarget, values: readonly (readonly [string, string])[]): void {
  inside(target, "sysctl", () => {
    for (const [key, value] of values) {
      const timeout = TIMEOUTS[key];
      if (timeout === undefined) writeFileSync(`/proc/sys/${key}`, value);
      else setIpvsTimeouts({ [timeout]: Number(value) });
    }
  });
}

/** Settings of IPVS that are no files. */
const TIMEOUTS: Readonly<Record<string, keyof IpvsTimeouts>> = { "ipvs/tcp": "tcp", "ipvs/udp": "udp" };
