/**
 * The C library's calls that we make, declared once. Nothing else imports koffi. Pointers go in as Buffers, whose memory
 * does not move; structs are written into Buffers by the files that own them.
 */
import { createRequire } from "node:module";
import type * as Koffi from "koffi";
import { OsError } from "./error.ts";

interface Call {
  (...args: unknown[]): number;
  /** In a thread of node's pool. The last argument is called with the result; errno is the call's then. */
  async(...args: [...unknown[], done: (error: Error | null, result: number) => void]): void;
}

export interface Libc {
  readonly koffi: typeof Koffi;
  readonly socket: Call;
  readonly bind: Call;
  readonly connect: Call;
  readonly listen: Call;
  readonly accept4: Call;
  readonly setsockopt: Call;
  readonly getsockopt: Call;
  readonly getsockname: Call;
  readonly ioctl: Call;
  readonly open: Call;
  readonly close: Call;
  readonly read: Call;
  readonly write: Call;
  /** sched_setattr(2) has no function of its own. */
  readonly syscall: Call;
  /** Nor has openat2(2): its number comes first here, too. */
  readonly openat2: Call;
  readonly statx: Call;
  readonly renameat: Call;
  readonly unlinkat: Call;
  readonly flock: Call;
  readonly setns: Call;
  readonly unshare: Call;
  readonly mount: Call;
  readonly umount2: Call;
  readonly eventfd: Call;
  readonly epoll_create1: Call;
  readonly epoll_ctl: Call;
  readonly epoll_wait: Call;
  readonly recvmmsg: Call;
  readonly sendmmsg: Call;
  readonly send: Call;
  readonly recvfrom: Call;
  readonly sendmsg: Call;
  readonly fcntl: Call;
  readonly prctl: Call;
  readonly capget: Call;
  readonly capset: Call;
}

const DECLARATIONS: Record<Exclude<keyof Libc, "koffi">, string> = {
  socket: "int socket(int, int, int)",
  bind: "int bind(int, void *, uint32_t)",
  connect: "int connect(int, void *, uint32_t)",
  listen: "int listen(int, int)",
  accept4: "int accept4(int, void *, void *, int)",
  setsockopt: "int setsockopt(int, int, int, void *, uint32_t)",
  getsockopt: "int getsockopt(int, int, int, void *, void *)",
  getsockname: "int getsockname(int, void *, void *)",
  ioctl: "int ioctl(int, unsigned long, void *)",
  open: "int open(const char *, int)",
  close: "int close(int)",
  read: "long read(int, void *, size_t)",
  write: "long write(int, void *, size_t)",
  syscall: "long syscall(long, int, void *, unsigned int)",
  openat2: "long syscall(long, int, const char *, void *, size_t)",
  statx: "int statx(int, const char *, int, unsigned int, void *)",
  renameat: "int renameat(int, const char *, int, const char *)",
  unlinkat: "int unlinkat(int, const char *, int)",
  flock: "int flock(int, int)",
  setns: "int setns(int, int)",
  unshare: "int unshare(int)",
  mount: "int mount(const char *, const char *, const char *, unsigned long, void *)",
  umount2: "int umount2(const char *, int)",
  eventfd: "int eventfd(unsigned int, int)",
  epoll_create1: "int epoll_create1(int)",
  epoll_ctl: "int epoll_ctl(int, int, int, void *)",
  epoll_wait: "int epoll_wait(int, void *, int, int)",
  recvmmsg: "int recvmmsg(int, void *, unsigned int, int, void *)",
  sendmmsg: "int sendmmsg(int, void *, unsigned int, int)",
  send: "long send(int, void *, size_t, int)",
  recvfrom: "long recvfrom(int, void *, size_t, int, void *, void *)",
  sendmsg: "long sendmsg(int, void *, int)",
  fcntl: "int fcntl(int, int, int)",
  prctl: "int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)",
  capget: "int capget(void *, void *)",
  capset: "int capset(void *, void *)",
};

let loaded: Libc | Error | undefined;

/** The calls; throws an Error that says why if there are none (not Linux, no koffi for this platform). */
export function libc(): Libc {
  loaded ??= load();
  if (loaded instanceof Error) throw loaded;
  return loaded;
}

/** Why `libc` would throw, or undefined. */
export function libcProblem(): string | undefined {
  loaded ??= load();
  return loaded instanceof Error ? loaded.message : undefined;
}

function load(): Libc | Error {
  if (process.platform !== "linux") return new Error(`system calls are for Linux, this is ${process.platform}`);
  if (process.arch !== "x64" && process.arch !== "arm64")
    return new Error(`struct layouts are not known for ${process.arch}`);
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const library = koffi.load("libc.so.6");
    const calls = Object.entries(DECLARATIONS).map(([name, declaration]) => [name, library.func(declaration)]);
    return { koffi, ...Object.fromEntries(calls) } as Libc;
  } catch (error) {
    return new Error(`koffi can't be loaded: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
  }
}

/** The result of a call that says -1 when it failed; then throws an OsError with `op` and `detail`. */
export function checked(result: number, op: string, detail?: string): number {
  if (result < 0) throw new OsError(op, libc().koffi.errno(), detail);
  return result;
}

/** The memory address of a Buffer, for pointers inside structs. The Buffer must be kept alive as long as it is used. */
export const addressOf = (buffer: Uint8Array): bigint => BigInt(libc().koffi.address(buffer));
