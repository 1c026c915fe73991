/** An operating system call that failed. */
import { constants } from "node:os";

export class OsError extends Error {
  /** Symbolic name, "EADDRINUSE" say. */
  readonly code: string;
  readonly errno: number;
  /** The call: "bind", "setns", … */
  readonly op: string;

  /** `why`: what the kernel says about it in words. */
  constructor(op: string, errno: number, detail = "", why = "") {
    const code = errnoName(errno);
    super(`${op}${detail && ` ${detail}`}: ${code}${why ? ` (${why})` : hint(op, code)}`);
    this.name = "OsError";
    this.code = code;
    this.errno = errno;
    this.op = op;
  }
}

/** What node's file system threw, as an OsError. */
export const osError = (op: string, error: unknown, detail?: string): OsError =>
  new OsError(op, Math.abs((error as { errno?: number }).errno ?? 0), detail);

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** "ECONNREFUSED" for 111. */
export const errnoName = (errno: number): string => NAMES.get(errno) ?? `errno ${errno}`;

/** Nothing is wrong: there is nothing to read or no room to write just now, or a signal came between. */
export const isAgain = (errno: number): boolean => errno === EAGAIN || errno === EINTR;

const [EINTR, EAGAIN] = [4, 11] as const;

/** In a word, where it goes into somebody's message: the code if it has one. */
export const reasonOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);

/** What usually is behind it, for errors that people can do something about. */
function hint(op: string, code: string): string {
  if (op === "setns" && code === "EPERM") return " (entering a network namespace needs CAP_SYS_ADMIN)";
  if (op === "open namespace" && code === "ENOENT") return " (there is no such namespace)";
  if ((op === "setns" || op === "open namespace") && code === "EINVAL") return " (that is no network namespace)";
  if (op === "bind" && code === "EACCES") return " (ports below 1024 need CAP_NET_BIND_SERVICE)";
  return "";
}
