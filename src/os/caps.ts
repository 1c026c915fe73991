/**
 * Capabilities of this thread and of the tools it starts (capabilities(7)). They belong to threads, not to processes: what one
 * thread gives away, the others keep.
 *
 *   __user_cap_header_struct   version 4 | pid 4 (0: this thread)
 *   __user_cap_data_struct     effective 4 | permitted 4 | inheritable 4, twice: capabilities 0 to 31, and the rest
 */
import { checked, libc } from "./libc.ts";

export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;

const VERSION_3 = 0x20080522;
const PR = { getSecurebits: 27, setSecurebits: 28, setNoNewPrivs: 38, capAmbient: 47 } as const;
/** Of PR.capAmbient. */
const [RAISE, CLEAR_ALL] = [2, 4] as const;
/** Of PR.setSecurebits: being root gives nothing to what is executed. */
const SECBIT_NOROOT = 1;

/** Words of the second struct above. */
const [PERMITTED, INHERITABLE] = [1, 2] as const;
const WORDS = 3;

/**
 * Takes everything from this thread, for good: no capability, and none by executing anything. Call it in a thread of one's own, after
 * node's pool of threads has started elsewhere: a pool thread is a copy of the thread that first needs it.
 */
export function dropCapabilities(): void {
  checked(libc().prctl(PR.setNoNewPrivs, 1, 0, 0, 0), "prctl", "PR_SET_NO_NEW_PRIVS");
  set(new Uint32Array(2 * WORDS));
}

/**
 * Calls `work`; what it spawns has these capabilities and no others, root or not. Synchronous, as inNetns is. Throws an OsError
 * (EPERM) if this thread has capabilities beyond those and can't keep them to itself, for want of CAP_SETPCAP.
 */
export function spawningWith<T>(capabilities: readonly number[], work: () => T): T {
  const before = get();
  if (isNothing(before)) return work(); // a thread without capabilities has none to give
  const { prctl } = libc();
  const bits = checked(prctl(PR.getSecurebits, 0, 0, 0, 0), "prctl", "PR_GET_SECUREBITS");
  const given = capabilities.filter((cap) => has(before, cap));
  const during = before.slice();
  for (const cap of given) during[(cap >> 5) * WORDS + INHERITABLE]! |= 1 << (cap & 31);
  try {
    checked(prctl(PR.setSecurebits, bits | SECBIT_NOROOT, 0, 0, 0), "prctl", "PR_SET_SECUREBITS");
    set(during);
    checked(prctl(PR.capAmbient, CLEAR_ALL, 0, 0, 0), "prctl", "PR_CAP_AMBIENT");
    for (const cap of given) checked(prctl(PR.capAmbient, RAISE, cap, 0, 0), "prctl", "PR_CAP_AMBIENT");
    return work();
  } finally {
    prctl(PR.capAmbient, CLEAR_ALL, 0, 0, 0);
    set(before);
    prctl(PR.setSecurebits, bits, 0, 0, 0);
  }
}

/** True if the capability is in the permitted set. */
const has = (data: Uint32Array, cap: number): boolean =>
  (data[(cap >> 5) * WORDS + PERMITTED]! & (1 << (cap & 31))) !== 0;

const isNothing = (data: Uint32Array): boolean => data[PERMITTED] === 0 && data[WORDS + PERMITTED] === 0;

function get(): Uint32Array {
  const data = new Uint32Array(2 * WORDS);
  checked(libc().capget(header(), data), "capget");
  return data;
}

function set(data: Uint32Array): void {
  checked(libc().capset(header(), data), "capset");
}

const header = (): Uint32Array => new Uint32Array([VERSION_3, 0]);
