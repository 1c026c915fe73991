/** Which thread runs first when there are more of them than processors. */
import { libc } from "./libc.ts";

const SYS_SCHED_SETATTR = process.arch === "x64" ? 314 : 274;
const THIS_THREAD = 0;
const SIZE = 48;
/** Time slice in nanoseconds. Since Linux 6.12 a short one lets the thread run as soon as it wakes; before, it means nothing. */
const SLICE = 100_000n;
const FIRST = -10;

/**
 * This thread is for short work that should not wait: with the right to say so (CAP_SYS_NICE) it also goes before others.
 * Where the kernel knows nothing of this, nothing changes.
 */
export function goFirst(): void {
  for (const nice of [FIRST, 0]) if (libc().syscall(SYS_SCHED_SETATTR, THIS_THREAD, attributes(nice), 0) === 0) return;
}

/** struct sched_attr: size 4 | policy 4 (0: SCHED_OTHER) | flags 8 | nice 4 | priority 4 | runtime 8 | deadline 8 | period 8 */
function attributes(nice: number): Buffer {
  const out = Buffer.alloc(SIZE);
  out.writeUInt32LE(SIZE, 0);
  out.writeInt32LE(nice, 16);
  out.writeBigUInt64LE(SLICE, 24);
  return out;
}
