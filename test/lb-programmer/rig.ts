/** A reconciler over the fake kernel and a clock of the test's own; what each target must hold is set as text. */
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import { Marks } from "../../src/lb-programmer/marks.ts";
import { createReconciler } from "../../src/lb-programmer/reconcile/reconciler.ts";
import type { ReconcilerOptions, TargetStatus } from "../../src/lb-programmer/reconcile/reconciler-options.ts";
import type { LbState, LbTarget } from "../../src/lb-programmer/state.ts";
import { FakeClock } from "./fake-clock.ts";
import { opText, parseState, stateText } from "./state-text.ts";

export const sandbox = (id: string): LbTarget => ({ kind: "sandbox", id, sandbox: id });

/** One of the host's own. */
export const network = (id: string): LbTarget => ({ kind: "network", id, network: id, device: "eth0" });

export function rig(options: Partial<ReconcilerOptions> = {}, backend = new FakeBackend(), clock = new FakeClock()) {
  const wanted = new Map<string, LbState>();
  const marks = new Marks();
  const events: string[] = [];
  const plan = ({ id }: LbTarget): LbState => wanted.get(id) ?? parseState("");
  const reconciler = createReconciler({ backend, plan, clock, marks, ...options });
  reconciler.on("status", (s) => events.push(statusText(s)));
  reconciler.on("repaired", (id, steps) => events.push(`${id} repaired ${steps}`));
  reconciler.on("gone", (id) => events.push(`${id} gone`));
  let revision = 0;
  return {
    backend,
    clock,
    reconciler,
    marks,
    events,
    /** The plan of the target from now on; a new revision, that is requested. */
    want(target: string, state: string | LbState): number {
      wanted.set(target, typeof state === "string" ? parseState(state) : state);
      reconciler.request([target], ++revision);
      return revision;
    },
    /** The plan as it was from the beginning. */
    plan: (target: string, text: string) => void wanted.set(target, parseState(text)),
    kernel: (target: string): string => stateText(backend.state(target)),
    /** What was done in the target since the last time, a line for each step, calls apart. */
    steps(target: string): string[] {
      const calls = backend.calls.splice(0).filter((c) => c.target === target);
      return calls.flatMap((c) => (c.call === "apply" ? c.ops.map(opText) : [c.call]));
    },
  };
}

export const statusText = ({ target, revision, state, reason, leaving }: TargetStatus): string =>
  `${target} ${state} at ${revision}${leaving ? `, ${leaving} leaving` : ""}${reason ? `: ${reason}` : ""}`;

/** Lines without the indentation that they have in a test. */
export function lines(text: string): string {
  return stateText(parseState(text));
}
