/** When a resolv.conf begins to say something else. */
import { readFileSync } from "node:fs";
import type { Upstream } from "../model/types.ts";
import { parseResolvConf, type ResolvConf, resolvConfUpstreams, type UpstreamFilter } from "./parse.ts";

export interface ResolvConfChange {
  /** As long as there is a `problem`, those of the last good reading: a resolver must not go blind because a file is being replaced. */
  readonly upstreams: readonly Upstream[];
  readonly conf: ResolvConf;
  /** Why the file can't be used now: it is gone, empty, or has an over-long line. */
  readonly problem?: string;
}

export interface ResolvConfWatch {
  readonly current: ResolvConfChange;
  /** Looks at once. */
  check(): void;
  close(): void;
}

/**
 * Reads the file now and then every second, and tells when its content has changed. Reading beats events here: /etc/resolv.conf is
 * often a link into a directory that is itself replaced, edited in place by some programs and renamed over by others.
 */
export function watchResolvConf(
  path: string,
  onChange: (change: ResolvConfChange) => void,
  { intervalMs = 1000, ...filter }: UpstreamFilter & { readonly intervalMs?: number } = {},
): ResolvConfWatch {
  let seen = readText(path);
  let current = interpret(seen, NOTHING, filter);
  const check = () => {
    const text = readText(path);
    if (text.content === seen.content && text.problem === seen.problem) return;
    seen = text;
    current = interpret(text, current, filter);
    onChange(current);
  };
  const timer = setInterval(check, intervalMs).unref();
  return {
    get current() {
      return current;
    },
    check,
    close: () => clearInterval(timer),
  };
}

const NOTHING: ResolvConfChange = { upstreams: [], conf: parseResolvConf("") };

interface Reading {
  readonly content: string;
  readonly problem: string | undefined;
}

function readText(path: string): Reading {
  try {
    const content = readFileSync(path, "utf8");
    return { content, problem: content === "" ? `${path} is empty` : undefined };
  } catch (error) {
    return { content: "", problem: `can't read ${path}: ${(error as NodeJS.ErrnoException).code}` };
  }
}

function interpret({ content, problem }: Reading, before: ResolvConfChange, filter: UpstreamFilter): ResolvConfChange {
  const { upstreams, conf } = before;
  if (problem !== undefined) return { upstreams, conf, problem };
  try {
    const read = parseResolvConf(content);
    return { upstreams: resolvConfUpstreams(read, filter), conf: read };
  } catch (error) {
    return { upstreams, conf, problem: (error as Error).message };
  }
}
