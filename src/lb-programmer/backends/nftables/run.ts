/** nft, as a process or in this one, and what its failures mean. The only file that looks into nft's messages. */
import { OsError } from "../../../os/error.ts";
import { type Done, type ExecOptions, exec } from "../../../os/exec.ts";
import { runNft } from "../../../os/nft.ts";
import { LbError, type LbTarget } from "../../types.ts";
import { TABLE } from "./skeleton.ts";

/** Runs a command in the target's namespace. Rejects with an LbError if it or the namespace is not there. */
export async function command(
  target: LbTarget,
  name: string,
  args: readonly string[],
  options: Omit<ExecOptions, "netns"> = {},
): Promise<Done> {
  try {
    return await exec(name, args, { ...options, netns: target.netns });
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
  const { status, stderr } = await command(target, "nft", ["-f", "-"], { input: text });
  return status === 0 ? undefined : stderr || `nft ended with status ${status}`;
}

/** Our table as JSON; undefined if it is not there. */
export async function listTable(target: LbTarget): Promise<string | undefined> {
  const { status, stdout, stderr } = await command(target, "nft", ["-j", "list", "table", ...TABLE.split(" ")]);
  if (status === 0) return stdout;
  if (/No such file or directory/.test(stderr)) return undefined;
  throw failure(target, stderr || `nft ended with status ${status}`);
}

/** The error behind nft's words. */
export function failure(target: LbTarget, words: string): LbError {
  const first = words.split("\n").find((line) => line.trim() !== "") ?? words;
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

/** The error if a namespace can't be entered; undefined if it is about something else. */
export function entering(target: LbTarget, error: unknown): LbError | undefined {
  if (!(error instanceof OsError)) return undefined;
  return new LbError(CODES[error.code] ?? "failed", target, error.message);
}

/** Of open(2) and setns(2). */
const CODES: Readonly<Record<string, LbError["code"]>> = {
  EPERM: "denied",
  EACCES: "denied",
  ENOENT: "gone",
  EINVAL: "gone",
};
