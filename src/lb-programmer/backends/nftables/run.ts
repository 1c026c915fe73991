/** nft, as a process or in this one, and what its failures mean. The only file that looks into nft's messages. */

import { OsError } from "../../../os/error.ts";
import { type Done, said } from "../../../os/exec.ts";
import { inNetns } from "../../../os/netns.ts";
import { runNft } from "../../../os/nft.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { runTool, type ToolOptions } from "../common/tool.ts";
import { TABLE } from "./skeleton.ts";

/** Runs a command in the target's namespace. Rejects with an LbError if it or the namespace is not there. */
export async function command(
  target: LbTarget,
  name: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<Done> {
  try {
    return await runTool(target, name, args, options);
  } catch (error) {
    throw entering(target, error) ?? unstarted(target, name, error);
  }
}

/** Runs one transaction, in this process (`library`) or by nft. Rejects with an LbError that has nft's own first words. */
export async function transaction(target: LbTarget, text: string, library: boolean): Promise<void> {
  if (text === "") return;
  const problem = library ? inProcess(target, text) : await byProcess(target, text);
  if (problem !== undefined) throw failure(target, problem);
}

function inProcess(target: LbTarget, text: string): string | undefined {
  try {
    return runNft(text, target.netns);
  } catch (error) {
    throw entering(target, error) ?? error;
  }
}

async function byProcess(target: LbTarget, text: string): Promise<string | undefined> {
  const done = await command(target, "nft", ["-f", "-"], { input: text, timeout: 15_000 });
  return done.status === 0 ? undefined : wordsOf(done);
}

/** Our table as JSON; undefined if it is not there, "endless" if there is much more of it than `most` elements. */
export async function listTable(target: LbTarget, most: number): Promise<string | undefined> {
  const args = ["-j", "list", "table", ...TABLE.split(" ")];
  const done = await command(target, "nft", args, { most: most * LARGE_ELEMENT });
  if (done.status === 0) return done.stdout;
  if (done.status < 0 && target.kind === "sandbox") return "endless";
  if (/No such file or directory/.test(done.stderr)) return undefined;
  throw failure(target, wordsOf(done));
}

/** Octets; most take half of that. */
const LARGE_ELEMENT = 160;

/** What a tool that failed said, or what became of it: one that is ended says nothing. */
export const wordsOf = ({ status, stderr }: Done, tool = "nft"): string =>
  stderr ||
  (status < 0 ? `${tool} took too long, or printed too much, and was ended` : `${tool} ended with status ${status}`);

/** The error behind nft's words. */
export function failure(target: LbTarget, words: string): LbError {
  const first = said(words);
  if (/Operation not permitted|Permission denied/.test(words))
    return new LbError("denied", target, `nft needs CAP_NET_ADMIN: ${first}`);
  if (/Operation not supported|Protocol not supported/.test(words))
    return new LbError("missing", target, `the kernel's nf_tables lacks something: ${first}`);
  return new LbError("failed", target, first);
}

function unstarted(target: LbTarget, name: string, error: unknown): LbError {
  if ((error as NodeJS.ErrnoException).code === "ENOENT")
    return new LbError("missing", target, `${name} is not installed`);
  return new LbError("failed", target, `${name}: ${error instanceof Error ? error.message : error}`);
}

/** Synchronous work in the target's namespace; what the system refuses becomes an LbError. */
export function within<T>(target: LbTarget, work: () => T): T {
  try {
    return target.netns === undefined ? work() : inNetns(target.netns, work);
  } catch (error) {
    throw entering(target, error) ?? error;
  }
}

/** The error behind a call that the system refused; undefined if it is about something else. */
export function entering(target: LbTarget, error: unknown): LbError | undefined {
  if (!(error instanceof OsError)) return undefined;
  const gone = /namespace|setns/.test(error.op) && (error.code === "ENOENT" || error.code === "EINVAL");
  const denied = error.code === "EPERM" || error.code === "EACCES";
  return new LbError(gone ? "gone" : denied ? "denied" : "failed", target, error.message);
}
