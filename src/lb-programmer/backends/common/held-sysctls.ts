/**
 * Settings that are read again and again, by descriptors that stay open: to open one costs ten times as much as to read it, and entering
 * its namespace comes on top. Such a descriptor keeps no namespace alive: when that is gone, so is the setting.
 */
import { closeSync } from "node:fs";
import { descriptorLimit } from "../../../os/descriptors.ts";
import type { LbTarget } from "../../state.ts";
import { inside } from "./failure.ts";
import { openSysctl, readSysctl } from "./sysctls.ts";

/** Of the process's descriptors, one in so many may be held by all together: what answers needs them more. */
const SHARE = 8;

export class HeldSysctls {
  readonly #target: LbTarget;
  readonly #keys: readonly string[];
  readonly #most: number;
  readonly #held = new Map<string, number>();

  /** Of the namespace that the target's path leads to now; `most`: while no more than so many are held by all. */
  constructor(target: LbTarget, keys: readonly string[], most = mostHeld()) {
    this.#target = target;
    this.#keys = keys;
    this.#most = most;
  }

  /** Values; a key that the kernel does not have is left out. */
  read(): Record<string, string> {
    const values: Record<string, string> = {};
    const others: string[] = [];
    for (const key of this.#keys) {
      const value = this.#readHeld(key);
      if (value === undefined) others.push(key);
      else values[key] = value;
    }
    if (others.length > 0)
      inside(this.#target, "sysctls", () => {
        for (const key of others) {
          const value = this.#readAnew(key);
          if (value !== undefined) values[key] = value;
        }
      });
    return values;
  }

  close(): void {
    for (const key of [...this.#held.keys()]) this.#release(key);
  }

  #readHeld(key: string): string | undefined {
    const fd = this.#held.get(key);
    if (fd === undefined) return undefined;
    try {
      return readSysctl(fd);
    } catch {
      this.#release(key); // gone; whoever opens it finds out why
      return undefined;
    }
  }

  #readAnew(key: string): string | undefined {
    const fd = openSysctl(key);
    if (fd === undefined) return undefined;
    let held = false;
    try {
      const value = readSysctl(fd);
      held = count < this.#most;
      return value;
    } finally {
      if (held) this.#hold(key, fd);
      else closeSync(fd);
    }
  }

  #hold(key: string, fd: number): void {
    this.#held.set(key, fd);
    count++;
  }

  #release(key: string): void {
    closeSync(this.#held.get(key)!);
    this.#held.delete(key);
    count--;
  }
}

/** Held by all. */
let count = 0;
let share: number | undefined;

function mostHeld(): number {
  share ??= descriptorLimit() / SHARE;
  return share;
}
