/** Network namespaces of a test's own, removed at its end. */
import { exec } from "../../src/os/exec.ts";

export interface Namespace {
  readonly name: string;
  readonly path: string;
  /** Runs a command in it; rejects with what it said if it fails. */
  run(command: string, ...args: string[]): Promise<string>;
  /** May be called twice. */
  remove(): Promise<void>;
}

let count = 0;

/** Without root there is nothing to test; in CI that is a failure, not a reason to skip. */
export function privileged(): boolean {
  if (process.getuid?.() === 0) return true;
  if (process.env["CI"]) throw new Error("the kernel tests need root");
  return false;
}

/** A new namespace with `lo` up, named after this process. */
export async function freshNamespace(label = "ns"): Promise<Namespace> {
  const name = `e11-${process.pid}-${label}${count++}`;
  const path = `/run/netns/${name}`;
  await must(exec("ip", ["netns", "add", name]), `ip netns add ${name}`);
  let there = true;
  const namespace: Namespace = {
    name,
    path,
    run: (command, ...args) => must(exec(command, args, { netns: path }), [command, ...args].join(" ")),
    remove: async () => {
      if (there) await exec("ip", ["netns", "del", name]);
      there = false;
    },
  };
  await namespace.run("ip", "link", "set", "lo", "up");
  return namespace;
}

async function must(done: ReturnType<typeof exec>, what: string): Promise<string> {
  const { status, stdout, stderr } = await done;
  if (status !== 0) throw new Error(`${what}: ${stderr || stdout}`);
  return stdout;
}
