/** Large patches in parts, so that no batch of packets waits long for one. */
import { GONE, SAME, type ScopePatch, SERVICE } from "../../scoping/patch.ts";

/** Elements of the flat array in one part: about a millisecond's work for the thread that takes it. */
const MOST = 20_000;

/**
 * The patch itself, or parts of it that are applied in order. Each name is whole in its part; zones and scopes, which say
 * who sees the names, come with the last.
 */
export function chunks(patch: ScopePatch, most = MOST): readonly ScopePatch[] {
  const { names } = patch;
  if (names.length <= most) return [patch];
  const parts: ScopePatch[] = [];
  let fresh = true; // no records in this part yet
  let last: readonly [number, number] = [0, 0]; // where the records of the latest entry are: SAME must not lose them
  let part: (string | number)[] = [];
  for (let i = 0; i < names.length; ) {
    const n = names[i + 2] as number;
    const end = i + 3 + (n === GONE || n === SAME ? 0 : (n & ~SERVICE) * 5);
    if (n === SAME && fresh) {
      part.push(names[i]!, names[i + 1]!);
      for (let k = last[0]; k < last[1]; k++) part.push(names[k]!);
    } else for (let k = i; k < end; k++) part.push(names[k]!);
    if (n !== GONE) fresh = false;
    if (n !== GONE && n !== SAME) last = [i + 2, end];
    i = end;
    if (part.length >= most) {
      parts.push({ ...NOTHING, revision: patch.revision, names: part });
      part = [];
      fresh = true;
    }
  }
  return [...parts, { ...patch, names: part }];
}

const NOTHING = { zones: [], scopes: [], removedScopes: [] };
