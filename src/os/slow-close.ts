/**
 * Closing netfilter sockets. close(2) waits until no transaction is at work in the socket's namespace (nft_rcv_nl_event takes its commit
 * mutex), and a container can have one that takes seconds, again and again. So another thread does it, when it is the namespace's turn
 * (turns.ts), and where some wait to be closed already, no more are opened in the end.
 */
import { close } from "node:fs";
import { descriptorLimit } from "./descriptors.ts";
import { OsError } from "./error.ts";
import { TURNS } from "./turns.ts";

/** Descriptors of one place that may wait to be closed; those of all places together may be this part of what the process has. */
const MOST = { place: 16, part: 1 / 8 };
const EBUSY = 16;

/** How many wait, by place. */
const waiting = new Map<string, number>();
let all = 0;
let limit: number | undefined;

/** The descriptor is not the caller's any more. `place`: of the socket's namespace. */
export function closeSlowly(fd: number, place: string): void {
  count(place, 1);
  closeInTurn(
    place,
    () => fd,
    () => count(place, -1),
  );
}

/** When it is the place's turn, what `which` then says is closed; undefined: nothing. */
export function closeInTurn(place: string, which: () => number | undefined, done: () => void = () => {}): void {
  const closed = async (): Promise<void> => {
    const fd = which();
    if (fd !== undefined) await new Promise<void>((resolve) => close(fd, () => resolve()));
    done();
  };
  void TURNS.closing.run(place, closed);
}

/** Before a socket is opened there. Throws an OsError (EBUSY) while too many wait to be closed. Who has none waiting may always open one. */
export function checkClosing(place: string): void {
  const here = waiting.get(place) ?? 0;
  limit ??= descriptorLimit() * MOST.part;
  if (here >= MOST.place || (here > 0 && all >= limit))
    throw new OsError("netfilter socket", EBUSY, "", `${here} that were used there are still being closed`);
}

function count(place: string, by: 1 | -1): void {
  const here = (waiting.get(place) ?? 0) + by;
  all += by;
  if (here === 0) waiting.delete(place);
  else waiting.set(place, here);
}
