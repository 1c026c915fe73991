/** A backend with an empty namespace to try it on, and the two things that every case does with it. */
import { deepEqual, equal } from "node:assert/strict";
import type { LbBackend } from "../lb-programmer/backends/backend.ts";
import { diff } from "../lb-programmer/diff.ts";
import { normal } from "../lb-programmer/normal.ts";
import type { LbState, LbTarget } from "../lb-programmer/state.ts";
import { stateText } from "./state-text.ts";

export interface Subject {
  readonly backend: LbBackend;
  /** A target whose namespace holds nothing of ours. */
  readonly target: LbTarget;
  /** A second one, to see that it stays as it is. */
  readonly other?: LbTarget;
  /** Puts rules, addresses and servers of somebody else into the namespace; `text` is what is there of them, to compare. */
  readonly foreign?: { add(): Promise<void>; text(): Promise<string> };
  /** Deletes the namespace of `target`. */
  readonly destroy?: () => Promise<void>;
  /** Removes everything from the namespace behind the backend's back, as `nft flush ruleset` does. */
  readonly flush?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** One step as the reconciler does it. */
export async function become({ backend, target }: Subject, desired: LbState): Promise<void> {
  const ops = diff(await backend.read(target, Object.keys(desired.sysctls)), desired);
  if (ops.length > 0) await backend.apply(target, ops, desired);
}

export async function expectState({ backend, target }: Subject, desired: LbState): Promise<void> {
  const actual = await backend.read(target, Object.keys(desired.sysctls));
  equal(stateText(actual), stateText(desired));
  deepEqual(normal(actual), normal(desired));
  deepEqual(diff(actual, desired), []);
}
