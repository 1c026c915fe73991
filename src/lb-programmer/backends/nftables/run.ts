/** nft, as a process or in this one, and what its failures mean. The only file that looks into nft's messages. */

import { said } from "../../../os/exec.ts";
import { runNft } from "../../../os/nft.ts";
import type { LbTarget } from "../../state.ts";
import { LbError } from "../backend.ts";
import { lbError } from "../common/failure.ts";
import { runTool, wordsOf } from "../common/tool.ts";
import { TABLE } from "./skeleton.ts";

/** Runs one transaction, in this process (`library`) or by nft. Rejects with an LbError that has nft's own first words. */
export async function transaction(target: LbTarget, text: string, library: boolean): Promise<void> {
  if (text === "") return;
  const problem = library ? inProcess(target, text) : await byProcess(target, text);
  if (problem !== undefined) throw failure(target, said(problem));
}

function inProcess(target: LbTarget, text: string): string | undefined {
  try {
    return runNft(text, target.netns);
  } catch (error) {
    throw lbError(target, "nft", error);
  }
}

async function byProcess(target: LbTarget, text: string): Promise<string | undefined> {
  const done = await runTool(target, "nft", ["-f", "-"], { input: text, timeout: 15_000 });
  return done.status === 0 ? undefined : wordsOf(done, "nft");
}

/** Our table as JSON; undefined if it is not there, "endless" if there is much more of it than `most` elements. */
export async function listTable(target: LbTarget, most: number): Promise<string | undefined> {
  const args = ["-j", "list", "table", ...TABLE.split(" ")];
  const done = await runTool(target, "nft", args, { most: most * LARGE_ELEMENT });
  if (done.status === 0) return done.stdout;
  if (done.status < 0 && target.kind === "sandbox") return "endless";
  if (/No such file or directory/.test(done.stderr)) return undefined;
  throw failure(target, wordsOf(done, "nft"));
}

/** Octets; most take half of that. */
const LARGE_ELEMENT = 160;

/** The error behind nft's words. */
export function failure(target: LbTarget, words: string): LbError {
  if (/Operation not permitted|Permission denied/.test(words))
    return new LbError("denied", target, `nft needs CAP_NET_ADMIN: ${words}`);
  if (/Operation not supported|Protocol not supported/.test(words))
    return new LbError("missing", target, `the kernel's nf_tables lacks something: ${words}`);
  return new LbError("failed", target, words);
}
