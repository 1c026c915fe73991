/**
 * libnftables in this process (libnftables(3)): a small change costs a fifth of what starting an nft process costs. The call
 * blocks this thread, so it is for small changes. A context takes 20 us to make and is closed at once: one that is kept holds
 * its netlink socket open, and with it a namespace that everyone else has left.
 */
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

/**
 * Runs one transaction in the namespace at `netns` (missing: this process's). Undefined if it was done, else what the library
 * says about it. Throws an OsError if the namespace can't be entered.
 */
export function runNft(text: string, netns: string | undefined): string | undefined {
  const lib = library();
  if (lib === undefined) throw new Error("libnftables can't be loaded");
  const run = () => runHere(lib, text);
  return netns === undefined ? run() : inNetns(netns, run);
}

function runHere(lib: Library, text: string): string | undefined {
  const context = lib.nft_ctx_new(0);
  if (context === null) return "libnftables: no context";
  try {
    lib.nft_ctx_buffer_error(context);
    if (lib.nft_run_cmd_from_buffer(context, text) === 0) return undefined;
    return lib.nft_ctx_get_error_buffer(context) || "libnftables: failed without a word";
  } finally {
    lib.nft_ctx_free(context);
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
