/** Random states one after the other, each reached from a state that was left half done. A failure says how to see it again. */
import { KernelModel } from "../lb-programmer/backends/kernel-model.ts";
import { diff } from "../lb-programmer/diff.ts";
import { EMPTY, type LbState } from "../lb-programmer/state.ts";
import { type Draw, type Limits, randomState } from "./random-state.ts";
import { stateText } from "./state-text.ts";
import { become, expectState, type Subject } from "./subject.ts";

/** Milliseconds for walks whose number nobody gave. */
const ENOUGH = 60_000;

interface WalkOptions extends Limits {
  readonly runs?: number;
  readonly seed?: number;
}

export async function randomWalks(subject: Subject, options: WalkOptions): Promise<void> {
  const { runs, seed = Math.floor(Math.random() * 2 ** 32) } = options;
  const draw = seeded(seed);
  const end = runs === undefined ? performance.now() + ENOUGH : Number.POSITIVE_INFINITY;
  for (let i = 0; i < (runs ?? 25) && performance.now() < end; i++) {
    await subject.backend.clear(subject.target);
    let before = EMPTY;
    for (let left = draw(2, 5); left > 0; left--) {
      const state = randomState(draw, options);
      const half = halfway(before, state, draw);
      try {
        for (const next of [half, state]) {
          await become(subject, next);
          await expectState(subject, next);
        }
      } catch (error) {
        const places = { from: before, "half way": half, to: state };
        const texts = Object.entries(places).map(([name, of]) => `${name}:\n${stateText(of)}\n`);
        throw new Error(`walk ${i} of seed ${seed}: ${error}\n\n${texts.join("\n")}`, { cause: error });
      }
      before = state;
    }
  }
}

/** The state after some of the steps between two states. */
function halfway(before: LbState, state: LbState, draw: Draw): LbState {
  const memory = new KernelModel(before);
  const ops = diff(before, state);
  for (const op of ops.slice(0, draw(0, ops.length))) memory.do(op);
  return memory.state();
}

/** The same draws for the same seed: mulberry32, small and even enough. */
function seeded(seed: number): Draw {
  let state = seed | 0;
  return (min, max) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return min + (((t ^ (t >>> 14)) >>> 0) % (max - min + 1));
  };
}
