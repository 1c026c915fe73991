/** Any valid balancing state, as fast-check draws it: a failure shrinks, and can be repeated. */
import fc from "fast-check";
import type { LbState } from "../../src/lb-programmer/state.ts";
import { randomState as drawn, type Limits } from "../../src/testing/random-state.ts";

const integer = (min: number, max: number) => fc.integer({ min, max });

export const randomState = (limits: Limits = {}): fc.Arbitrary<LbState> =>
  fc.gen().map((draw) => drawn((min, max) => draw(integer, min, max), limits));
