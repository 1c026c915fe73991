/** Changes to the rules of a namespace, as `nft monitor` tells them: one process per namespace. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { inNetns } from "../../../os/netns.ts";
import type { LbTarget } from "../../types.ts";
import { TABLE } from "./skeleton.ts";

/** Milliseconds until a monitor that ended is started again. */
const AGAIN = 1000;

export interface Watch {
  readonly target: LbTarget;
  /** An nft process of ours is about to make a transaction, which is not to be told; or it failed to. */
  expect(count: 1 | -1): void;
  stop(): void;
}

/**
 * Calls `changed` after each transaction of somebody else that touched our table, or, on a host, iptables' filter tables.
 * The kernel says which process made a transaction: those of this process (libnftables) and expected ones are ours.
 */
export function watchRules(target: LbTarget, changed: () => void): Watch {
  const concerns = target.kind === "host" ? new RegExp(`\\b(${TABLE}|ip6? filter)\\b`) : new RegExp(`\\b${TABLE}\\b`);
  let expected = 0;
  let concerned = false;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;

  const line = (text: string): void => {
    const generation = /^# new generation \d+ by process (\d+)/.exec(text);
    if (generation === null) {
      concerned ||= concerns.test(text) || text.includes("# ERROR");
      return;
    }
    const told = concerned;
    concerned = false;
    if (!told || Number(generation[1]) === process.pid) return;
    if (expected > 0) expected--;
    else changed();
  };

  const start = (): void => {
    const run = () => spawn("nft", ["monitor"], { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, PATH } });
    try {
      child = target.netns === undefined ? run() : inNetns(target.netns, run);
    } catch {
      changed(); // the namespace is gone: whoever looks will find out
      return;
    }
    child.on("error", () => {}); // no nft: `probe` says so
    child.on("close", () => {
      if (child === undefined) return;
      timer = setTimeout(start, AGAIN).unref();
      changed(); // something may have been missed
    });
    createInterface({ input: child.stdout! }).on("line", line);
  };

  start();
  return {
    target,
    expect(count) {
      expected = Math.max(0, expected + count);
    },
    stop() {
      clearTimeout(timer);
      const running = child;
      child = undefined;
      running?.kill();
    },
  };
}

/** Administrators' tools live in sbin, which is not everyone's path. */
const PATH = `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;
