/**
 * A container as an attacker has it: root with CAP_NET_ADMIN and CAP_NET_RAW (and what root in a container has by default) in a
 * network and a mount namespace of its own. Beside it, canaries on the host: files that no attack may change or bring into being.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { Namespaces } from "../system/namespaces.ts";

/** Docker's default set, and NET_ADMIN: a container that may change its own rules. */
const CAPABILITIES = ["net_admin", "net_raw", "chown", "dac_override", "fowner", "setuid", "setgid", "mknod", "kill"];

export class Containers extends Namespaces {
  readonly #attackers = new Set<ReturnType<typeof spawn>>();

  /** Runs a shell script as the container's root, to its end; what it printed. Throws what it said if it fails. */
  attack(short: string, script: string): string {
    const { status, stdout, stderr } = spawnSync("ip", this.#words(short, script), {
      encoding: "utf8",
      timeout: 30_000,
    });
    if (status !== 0) throw new Error(`the attack itself failed (${status}): ${stderr}`);
    return stdout;
  }

  /** The same, going on until its `end` or the end of the test; resolves when it prints something. */
  async attacking(short: string, script: string): Promise<{ end(): void }> {
    const child = spawn("ip", this.#words(short, script), { stdio: ["ignore", "pipe", "inherit"] });
    this.#attackers.add(child);
    await once(child.stdout, "data");
    return { end: () => void child.kill("SIGKILL") };
  }

  override clean(): void {
    for (const child of this.#attackers) child.kill("SIGKILL");
    super.clean();
  }

  #words(short: string, script: string): string[] {
    const bound = `-all,${CAPABILITIES.map((cap) => `+${cap}`).join(",")}`;
    return `netns exec ${this.name(short)} unshare --mount setpriv --bounding-set ${bound} --inh-caps ${bound} bash -euc`
      .split(" ")
      .concat(script);
  }
}

/** A folder of the host's with a file that must stay as it is and one that must never be. */
export class Canary {
  readonly folder = mkdtempSync(join(tmpdir(), "eleven-canary-"));
  /** Is there, and says "untouched". */
  readonly kept = join(this.folder, "kept");
  /** Is not there: an attack that ran a command of its own on the host would make it. */
  readonly never = join(this.folder, "never");

  constructor() {
    writeFileSync(this.kept, "untouched\n", { mode: 0o600 });
  }

  untouched(): void {
    expect({ kept: readFileSync(this.kept, "utf8"), never: existsSync(this.never) }).toEqual({
      kept: "untouched\n",
      never: false,
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
