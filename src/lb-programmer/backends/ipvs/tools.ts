/** The tools and calls that the backend uses, in a target's namespace; whatever goes wrong with them is an LbError. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { OsError } from "../../../os/error.ts";
import { said } from "../../../os/exec.ts";
import { type IpvsTimeouts, ipvsTimeouts, setIpvsTimeouts } from "../../../os/netlink/ipvs.ts";
import { inNetns } from "../../../os/netns.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { runTool } from "../common/tool.ts";
import type { Family } from "./chain.ts";
import { parseSaved, type Saved } from "./saved.ts";

/** Which iptables: the system's own choice, or one of the two flavours. */
export type Flavour = "" | "-legacy" | "-nft";

/** Runs a tool to its end; what it printed. Rejects with an LbError if it fails. */
export async function run(target: LbTarget, command: string, args: readonly string[], input = ""): Promise<string> {
  const { status, stdout, stderr } = await runTool(target, command, args, { input }).catch((error: unknown) => {
    throw failure(target, command, error);
  });
  if (status === 0) return stdout;
  const words = status < 0 ? "took too long, or printed too much, and was ended" : said(stderr);
  if (/you must be root|Permission denied|Operation not permitted/.test(stderr))
    throw new LbError("denied", target, `${command}: ${words} (needs CAP_NET_ADMIN and CAP_NET_RAW)`);
  const lacks = /Couldn't load (match|target)|No chain\/target\/match|Extension .* not supported|Failed to initialize/;
  throw new LbError(lacks.test(stderr) ? "missing" : "failed", target, `${command}: ${words}`);
}

/** Synchronous work in the target's namespace. */
export function inside<T>(target: LbTarget, what: string, work: () => T): T {
  try {
    return target.netns === undefined ? work() : inNetns(target.netns, work);
  } catch (error) {
    throw failure(target, what, error);
  }
}

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

const notInstalled = (tool: string): string => `${tool} is not installed (Debian's package iptables)`;

export const NO_IPVS = "this kernel has no IPVS (its module ip_vs is not there or not loaded)";

const TOOL: Readonly<Record<Family, string>> = { 4: "iptables", 6: "ip6tables" };

/** What is ours in a namespace's rules. ip6tables fails where the kernel has no IPv6. */
export async function savedRules(target: LbTarget, flavour: Flavour): Promise<Readonly<Record<Family, Saved>>> {
  const six = inside(target, "namespace", () => existsSync("/proc/thread-self/net/if_inet6"));
  const families: readonly Family[] = six ? [4, 6] : [4];
  const texts = await Promise.all(families.map((family) => run(target, `${TOOL[family]}${flavour}-save`, [])));
  return { 4: parseSaved(texts[0] ?? "", 4), 6: parseSaved(texts[1] ?? "", 6) };
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
