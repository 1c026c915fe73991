/** What a batch came to, for whoever keeps objects: each one that it touched, as it is now. Whole, so nobody else needs to know the rules. */
import type { Change, ReadonlyState, Touched } from "../model/types.ts";
import { KINDS, MAPS, putOf } from "./kinds.ts";

/** Puts in an order that an empty registry accepts, then removals. An object that came and went within the batch is removed, too. */
export function became(state: ReadonlyState, touched: Touched): Change[] {
  const puts: Change[] = [];
  const removals: Change[] = [];
  for (const kind of KINDS)
    for (const id of touched[MAPS[kind]]) {
      const object = state[MAPS[kind]].get(id);
      if (object === undefined) removals.push({ kind: `${kind}.remove`, id });
      else puts.push(putOf(kind, object));
    }
  return [...puts, ...removals];
}
