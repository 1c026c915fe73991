/**
 * Closing netfilter sockets. close(2) waits until no transaction is at work in the socket's namespace (nft_rcv_nl_event takes its commit
 * mutex), and a container can have one that takes seconds. So another thread does it, and one at a time for each namespace: node has four
 * such threads, and a container must not take more than one.
 */
import { close } from "node:fs";
import { netnsCookie } from "./socket.ts";

/** By namespace: what waits for the one that is being closed. */
const waiting = new Map<bigint, number[]>();

/** The descriptor is not the caller's any more. */
export function closeSlowly(fd: number) {
  const namespace = netnsCookie(fd);
  if (namespace === undefined) return close(fd, () => {}); // before Linux 5.14 nobody can tell them apart
  const before = waiting.get(namespace);
  if (before !== undefined) {
    before.push(fd);
    return;
  }
  const rest: number[] = [];
  waiting.set(namespace, rest);
  const next = (one: number): void =>
    close(one, () => {
      const more = rest.shift();
      if (more === undefined) waiting.delete(namespace);
      else next(more);
    });
  next(fd);
}
