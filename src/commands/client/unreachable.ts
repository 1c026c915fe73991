/** Why nobody could be talked to on the agent's socket, and what to do about it. */
import { readFileSync, statSync } from "node:fs";
import { EXIT, Failure } from "../exit.ts";

/** It may run: this user may not talk to it. */
export class NotAllowed extends Failure {}

export function unreachable(socket: string, { code, message }: NodeJS.ErrnoException): Failure {
  switch (code) {
    case "ENOENT":
      return notRunning(`no ${socket}`);
    case "ECONNREFUSED":
      return notRunning(`nobody listens on ${socket}`);
    case "EACCES":
    case "EPERM":
      return new NotAllowed(EXIT.failed, `this user may not talk to eleven agent: ${socket} is for ${whom(socket)}`);
    case "ECONNRESET":
    case "EPIPE":
      return new Failure(EXIT.failed, "eleven agent ended before it answered; eleven status says if it is back");
    default:
      return new Failure(EXIT.failed, `can't talk to eleven agent on ${socket}: ${message}`);
  }
}

const notRunning = (why: string): Failure =>
  new Failure(
    EXIT.failed,
    `eleven agent is not running (${why}); start it: sudo eleven agent --config FILE, or say where it listens: --socket PATH`,
  );

const GROUP_WRITES = 0o020;

function whom(socket: string): string {
  try {
    const { mode, gid } = statSync(socket);
    if ((mode & GROUP_WRITES) !== 0 && gid !== 0) {
      const group = groupName(gid);
      return `root and group ${group}; use sudo, or be in it: sudo usermod -aG ${group} $USER, and log in anew`;
    }
  } catch {} // it is below a directory that can't be looked into
  return "root alone; use sudo, or let a group in: control: { group: NAME } in the agent's config";
}

function groupName(gid: number): string {
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((entry) => entry.split(":")[2] === String(gid));
  return line?.split(":")[0] ?? String(gid);
}
