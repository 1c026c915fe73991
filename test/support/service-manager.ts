/**
 * As much of a service manager as restarts need: it takes notifications on a unix socket, keeps the descriptors that come
 * with FDSTORE=1, and hands them to the next process (sd_notify(3), sd_listen_fds(3)).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
const libc = koffi.load("libc.so.6");
const socket = libc.func("int socket(int, int, int)");
const bind = libc.func("int bind(int, void *, uint32_t)");
const recvmsg = libc.func("long recvmsg(int, void *, int)");
const close = libc.func("int close(int)");

const MOST_DESCRIPTORS = 16;

export class ServiceManager {
  /** Descriptors by the name they were left under. */
  readonly stored = new Map<string, number[]>();
  readonly #path = join(mkdtempSync(join(tmpdir(), "eleven-")), "notify");
  readonly #fd: number = socket(1, 2 | 0x800, 0); // AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK
  readonly #timer: NodeJS.Timeout;
  #ready = () => {};
  #child: ChildProcess | undefined;
  errors = "";

  constructor() {
    const name = Buffer.alloc(3 + this.#path.length);
    name.writeUInt16LE(1);
    name.write(this.#path, 2);
    if (bind(this.#fd, name, name.length) !== 0) throw new Error(`can't bind ${this.#path}`);
    this.#timer = setInterval(() => this.#receive(), 5);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts a command of node's; resolves when it says READY=1. */
  async start(...args: string[]): Promise<void> {
    const names = [...this.stored].flatMap(([name, fds]) => fds.map(() => name));
    const fds = [...this.stored.values()].flat();
    const env = {
      ...process.env,
      NOTIFY_SOCKET: this.#path,
      FDSTORE: "512",
      LISTEN_FDS: String(fds.length),
      LISTEN_FDNAMES: names.join(":"),
    };
    const ready = new Promise<void>((resolve) => {
      this.#ready = resolve;
    });
    const child = spawn("sh", ["-c", 'LISTEN_PID=$$ exec "$0" "$@"', process.execPath, ...args], {
      stdio: ["ignore", "ignore", "pipe", ...fds],
      env,
    });
    child.stderr!.on("data", (text) => {
      this.errors += text;
    });
    this.#child = child;
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`it ended with ${code} before it was ready: ${this.errors}`);
    });
    ended.catch(() => {});
    await Promise.race([ready, ended]);
  }

  /** Resolves to the exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const exit = once(this.#child!, "exit");
    this.#child!.kill(signal);
    return (await exit)[0];
  }

  end(): void {
    clearInterval(this.#timer);
    this.#child?.kill("SIGKILL");
    for (const fd of [this.#fd, ...[...this.stored.values()].flat()]) close(fd);
  }

  #receive(): void {
    for (;;) {
      const [data, control, vector, header] = [4096, 16 + MOST_DESCRIPTORS * 4, 16, 56].map((n) => Buffer.alloc(n));
      vector!.writeBigUInt64LE(BigInt(koffi.address(data!)), 0);
      vector!.writeBigUInt64LE(BigInt(data!.length), 8);
      header!.writeBigUInt64LE(BigInt(koffi.address(vector!)), 16);
      header!.writeBigUInt64LE(1n, 24);
      header!.writeBigUInt64LE(BigInt(koffi.address(control!)), 32);
      header!.writeBigUInt64LE(BigInt(control!.length), 40);
      const length = recvmsg(this.#fd, header, 0x40000000); // MSG_CMSG_CLOEXEC
      if (length < 0) return;
      const count = header!.readUInt32LE(40) === 0 ? 0 : (Number(control!.readBigUInt64LE(0)) - 16) / 4;
      const fds = Array.from({ length: count }, (_, i) => control!.readInt32LE(16 + i * 4));
      this.#told(Object.fromEntries(`${data!.subarray(0, length)}`.split("\n").map((l) => l.split("=", 2))), fds);
    }
  }

  #told(fields: Record<string, string>, fds: number[]): void {
    const { FDNAME: name = "" } = fields;
    if (fields["READY"]) this.#ready();
    if (fields["FDSTOREREMOVE"]) {
      for (const fd of this.stored.get(name) ?? []) close(fd);
      this.stored.delete(name);
    } else if (fields["FDSTORE"]) {
      // The manager keeps one copy: what it has already is dropped again (it compares; here a known name will do).
      if (this.stored.has(name)) for (const fd of fds) close(fd);
      else this.stored.set(name, fds);
    }
  }
}
