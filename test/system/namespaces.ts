/** Network namespaces that a test makes and removes, and commands inside them. Root only. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { have } from "./dig.ts";

const run = promisify(execFile);

/** Why namespaces can't be had here, or undefined. */
export function withoutNamespaces(): boolean {
  if (process.getuid?.() !== 0) {
    console.log("skipped: network namespaces need root");
    return true;
  }
  return !have("ip") || !have("dig");
}

export class Namespaces {
  readonly #made = new Set<string>();
  readonly #children = new Set<ReturnType<typeof spawn>>();

  /** A name of our own for `short`. */
  name(short: string): string {
    return `e11-${process.pid}-${short}`;
  }

  path(short: string): string {
    return `/run/netns/${this.name(short)}`;
  }

  /** As it is born: nothing in it but `lo`, which is down. */
  async add(...shorts: string[]): Promise<void> {
    for (const short of shorts) {
      await run("ip", ["netns", "add", this.name(short)]);
      this.#made.add(short);
    }
  }

  async remove(short: string): Promise<void> {
    await run("ip", ["netns", "del", this.name(short)]);
    this.#made.delete(short);
  }

  /** `ip` with these words; "@a" is the namespace's name. */
  async ip(words: string): Promise<void> {
    await run(
      "ip",
      words.split(" ").map((w) => (w.startsWith("@") ? this.name(w.slice(1)) : w)),
    );
  }

  /** Standard output of a command inside, trimmed; of a failing one, too. */
  async exec(short: string, command: string, ...args: string[]): Promise<string> {
    try {
      return (await run("ip", ["netns", "exec", this.name(short), command, ...args])).stdout.trim();
    } catch (error) {
      return String((error as { stdout?: string }).stdout ?? error).trim();
    }
  }

  /** A program that runs inside until the end; resolves when it says something. */
  async start(short: string, command: string, ...args: string[]): Promise<void> {
    const child = spawn("ip", ["netns", "exec", this.name(short), command, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#children.add(child);
    await once(child.stdout, "data");
  }

  /** The sandbox's resolv.conf: what `ip netns exec` shows as /etc/resolv.conf in there. */
  resolvConf(short: string): string {
    return `/etc/netns/${this.name(short)}/resolv.conf`;
  }

  writeResolvConf(short: string, text: string): void {
    mkdirSync(`/etc/netns/${this.name(short)}`, { recursive: true });
    writeFileSync(this.resolvConf(short), text);
  }

  readResolvConf(short: string): string {
    return readFileSync(this.resolvConf(short), "utf8");
  }

  clean(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    for (const short of this.#made) {
      spawnSync("ip", ["netns", "del", this.name(short)]);
      rmSync(`/etc/netns/${this.name(short)}`, { recursive: true, force: true });
    }
  }
}

/** Waits until `look` gives something, or fails with what it gave last. */
export async function eventually<T>(look: () => T | Promise<T>, good: (found: T) => boolean, ms = 10_000): Promise<T> {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (good(found)) return found;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms; last: ${JSON.stringify(found)}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
