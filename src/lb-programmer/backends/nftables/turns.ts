/**
 * Who gets a server's first connection. The kernel counts from 0 in each namespace and whenever the rule that counts is written: the first
 * of a server's slots would get them all, and with a change between any two connections, the others nothing. So slots begin with any of
 * them, drawn when the rule is written. As long as it stays, so does the drawn one, and connections take turns exactly.
 */
import type { VirtualServer } from "../../state.ts";
import { idOf, keeping } from "./changes.ts";
import { NOTHING, type Parts, type Placed, serverChain, serverParts } from "./parts.ts";
import { isSlotMap } from "./sets.ts";

/** A server as it is in the kernel: `start` is how far its slots are turned. */
export interface Installed {
  readonly server: VirtualServer;
  readonly start: number;
}

interface Step {
  readonly before: Parts;
  readonly after: Parts;
  /** What is there then. */
  readonly installed: Installed | undefined;
}

/** From what is there to what shall be. `random` is from 0 to 1, which it never is. */
export function stepTo(
  before: Installed | undefined,
  server: VirtualServer | undefined,
  random: () => number = Math.random,
): Step {
  const old = before === undefined ? NOTHING : serverParts(before.server, before.start);
  if (server === undefined) return { before: old, after: NOTHING, installed: undefined };
  if (before !== undefined) {
    const same = serverParts(server, before.start);
    if (keeping(old, same)(serverChain(server.mark)))
      return { before: old, after: same, installed: { server, start: before.start } };
  }
  const start = Math.floor(random() * MANY);
  return { before: old, after: serverParts(server, start), installed: { server, start } };
}

/** Many times more than slots, so that each is as likely. */
const MANY = 2 ** 24;

/** The server as it is there, with the parts that it should have; undefined if slots lead elsewhere. `there`: elements by where they are. */
export function asFound(
  server: VirtualServer,
  there: ReadonlyMap<string, Placed>,
): { readonly installed: Installed; readonly parts: Parts } | undefined {
  const straight = serverParts(server, 0);
  const row = straight.elements.filter((element) => isSlotMap(element.in));
  const found = row.map((element) => there.get(idOf(element))?.value);
  const isTurnedBy = (start: number): boolean => found.every((to, i) => to === row[(i + start) % row.length]!.value);
  if (isTurnedBy(0)) return { installed: { server, start: 0 }, parts: straight };
  const start = row.findIndex(({ value }, i) => value === found[0] && isTurnedBy(i));
  return start < 0 ? undefined : { installed: { server, start }, parts: serverParts(server, start) };
}
