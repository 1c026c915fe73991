/**
 * Whether somebody changed what is ours. Neither IPVS nor legacy iptables tells anyone, so it is a look, twice a second, at little:
 * IPVS' own list, the sizes of tables, the number of nftables' transactions, and addresses.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { nftGeneration } from "../../../os/nfnetlink.ts";
import { xtablesSizes } from "../../../os/xtables.ts";
import type { LbTarget } from "../../types.ts";
import { inside } from "./tools.ts";

/** Milliseconds from look to look. */
const OFTEN = 500;

export class Watch {
  readonly target: LbTarget;
  readonly #changed: () => void;
  readonly #timer: NodeJS.Timeout;
  #known: string;

  constructor(target: LbTarget, changed: () => void) {
    this.target = target;
    this.#changed = changed;
    this.#known = fingerprint(target);
    this.#timer = setInterval(() => this.look(), OFTEN).unref();
  }

  /** What others did is told. Before a change of our own, since after it that would not be seen any more. */
  look(): void {
    const known = this.#known;
    this.learn();
    if (this.#known !== known) this.#changed();
  }

  /** What is there now is as it should be. */
  learn(): void {
    this.#known = fingerprint(this.target);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** The same as long as nobody changes anything; "" if the namespace is gone, which whoever then reads will find out. */
function fingerprint(target: LbTarget): string {
  try {
    return inside(target, "what others change", () => {
      const addresses = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ cidr }) => cidr));
      const all = [ipvs(), xtablesSizes(), nftGeneration(), ...addresses];
      return createHash("sha1").update(all.join("\n")).digest("base64");
    });
  } catch {
    return "";
  }
}

/** Services and destinations without the numbers of their connections, which change all the time. */
function ipvs(): string {
  try {
    return readFileSync("/proc/thread-self/net/ip_vs", "latin1").replaceAll(/^( {2}-> .*?) +\d+ +\d+ *$/gm, "$1");
  } catch {
    return "";
  }
}
