/** iptables in a target's namespace; whatever goes wrong with it is an LbError. */

import { existsSync } from "node:fs";
import type { LbTarget } from "../../../state.ts";
import { LbError } from "../../backend.ts";
import { inside } from "../../common/failure.ts";
import { runTool, wordsOf } from "../../common/tool.ts";
import type { Family } from "../server.ts";
import { parseSaved, type Saved } from "./saved.ts";

/** Which iptables: the system's own choice, or one of the two flavours. */
export type Flavour = "" | "-legacy" | "-nft";

/** Runs a tool to its end; what it printed. Rejects with an LbError if it fails. */
export async function run(target: LbTarget, command: string, args: readonly string[], input = ""): Promise<string> {
  const done = await runTool(target, command, args, { input });
  const { status, stdout, stderr } = done;
  if (status === 0) return stdout;
  const words = wordsOf(done, "it");
  if (/you must be root|Permission denied|Operation not permitted/.test(stderr))
    throw new LbError("denied", target, `${command}: ${words} (needs CAP_NET_ADMIN and CAP_NET_RAW)`);
  const lacks = /Couldn't load (match|target)|No chain\/target\/match|Extension .* not supported|Failed to initialize/;
  throw new LbError(lacks.test(stderr) ? "missing" : "failed", target, `${command}: ${words}`);
}

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
