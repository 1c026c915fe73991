/**
 * Closing netfilter sockets. close(2) waits until no transaction is at work in the socket's namespace (nft_rcv_nl_event takes its commit
 * mutex), and a container can have one that takes seconds. So another thread does it, when it is the namespace's turn (turns.ts).
 */
import { close } from "node:fs";
import { TURNS } from "./turns.ts";

/** The descriptor is not the caller's any more. `place`: of the socket's namespace. */
export function closeSlowly(fd: number, place: string): void {
  void TURNS.closing.run(place, () => new Promise<void>((done) => close(fd, () => done())));
}
