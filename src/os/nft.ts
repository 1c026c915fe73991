/**
 * libnftables in this process (libnftables(3)): a small change costs a fifth of what starting an nft process costs. The call
 * blocks this thread, so it is for small changes.
 *
 * A context is closed some time after its last use. Not at once: the kernel lets the close of a netfilter socket wait until
 * everything is freed that the last transaction deleted, an RCU grace period of 10 to 20 ms (nft_rcv_nl_event in
 * nf_tables_api.c); that is also what an nft process waits for when it ends. And not never: an open socket keeps a namespace alive
 * that everyone else has left.
 */
import { closeSync, openSync, statSync } from "node:fs";
import { osError } from "./error.ts";
import { libc } from "./libc.ts";
import { inNetns } from "./netns.ts";

interface Library {
  nft_ctx_new(flags: number): unknown;
  nft_ctx_free(context: unknown): void;
  nft_ctx_buffer_error(context: unknown): number;
  nft_ctx_get_error_buffer(context: unknown): string | null;
  nft_run_cmd_from_buffer(context: unknown, text: string): number;
}

const DECLARATIONS: Record<keyof Library, string> = {
  nft_ctx_new: "void *nft_ctx_new(uint32_t)",
  nft_ctx_free: "void nft_ctx_free(void *)",
  nft_ctx_buffer_error: "int nft_ctx_buffer_error(void *)",
  nft_ctx_get_error_buffer: "const char *nft_ctx_get_error_buffer(void *)",
  nft_run_cmd_from_buffer: "int nft_run_cmd_from_buffer(void *, const char *)",
};

let loaded: Library | undefined | null;

/** True if the library is there. */
export const hasNft = (): boolean => library() !== undefined;

/** libnftables waits for its socket by select, whose sets end at 1 024: it would end the process with a descriptor from there on. */
const LAST_DESCRIPTOR = 900;

/** False where an nft process must be used: so many descriptors are open that the library's would be out of its reach. */
export function canRunNft(): boolean {
  const next = openSync("/dev/null", "r"); // the lowest that is free, as the library's will be
  closeSync(next);
  return next <= LAST_DESCRIPTOR;
}

/**
 * Runs one transaction in the namespace at `netns` (missing: this process's). Undefined if it was done, else what the library
 * says about it. Throws an OsError if the namespace can't be entered.
 */
export function runNft(text: string, netns: string | undefined): string | undefined {
  const lib = library();
  if (lib === undefined) throw new Error("libnftables can't be loaded");
  const context = contextIn(lib, netns);
  if (lib.nft_run_cmd_from_buffer(context, text) === 0) return undefined;
  return lib.nft_ctx_get_error_buffer(context) || "libnftables: failed without a word";
}

/** Milliseconds that a context stays open without being used. */
const LINGER = 250;

interface OpenContext {
  readonly context: unknown;
  readonly timer: NodeJS.Timeout;
}

/** By namespace: its inode, since another may come to be at the same path. */
const contexts = new Map<string, OpenContext>();

function contextIn(lib: Library, netns: string | undefined): unknown {
  const key = netns === undefined ? "" : inodeOf(netns);
  const there = contexts.get(key);
  if (there !== undefined) {
    there.timer.refresh();
    return there.context;
  }
  const context = inNetns(netns, () => lib.nft_ctx_new(0));
  if (context === null) throw new Error("libnftables gives no context");
  lib.nft_ctx_buffer_error(context);
  const close = () => {
    contexts.delete(key);
    lib.nft_ctx_free(context);
  };
  contexts.set(key, { context, timer: setTimeout(close, LINGER).unref() });
  return context;
}

function inodeOf(netns: string): string {
  try {
    const { dev, ino } = statSync(netns, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    throw osError("open namespace", error, netns);
  }
}

function library(): Library | undefined {
  if (loaded === undefined) loaded = load();
  return loaded ?? undefined;
}

function load(): Library | null {
  try {
    const file = libc().koffi.load("libnftables.so.1");
    const calls = Object.entries(DECLARATIONS).map(([name, declaration]) => [name, file.func(declaration)]);
    return Object.fromEntries(calls) as Library;
  } catch {
    return null;
  }
}
