/**
 * Who gets a server's first connection. The kernel counts from 0 in each namespace and whenever the rule that counts is written: the first
 * of a server's slots would get them all, and with a change between any two connections, the others nothing. So slots begin with any of
 * them, drawn when the rule is written. As long as it stays, so does the drawn one, and connections take turns exactly.
 */

import { sameIdentity } from "../../diff.ts";
import type { VirtualServer } from "../../state.ts";
import { idOf, keeping } from "../inet-table/changes.ts";
import type { Dialect, Found, Installed, Step } from "../inet-table/dialect.ts";
import { NOTHING, type Placed } from "../inet-table/parts.ts";
import { isLeading, isSlotMap } from "../inet-table/sets.ts";
import {
  isIdle,
  leaverOf,
  ownElements,
  serverChain,
  serverParts,
  serverRules,
  slotElements,
  taskElements,
} from "./parts.ts";
import { SKELETON } from "./skeleton.ts";
import { ROOM, slots } from "./slots.ts";

/** `random` is from 0 to 1, which it never is. A server's form is how far its slots are turned. */
export const turning = (random: () => number = Math.random): Dialect => ({
  skeleton: SKELETON,
  led: {
    ports: ["ports", "port-ranges"],
    declared: ["local-ports", "arriving-ports"],
    to: (mark) => `goto s-${mark}`,
  },
  step: (before, server) => stepTo(before, server, random),
  turn: (server) => {
    const form = drawn(random);
    return { installed: { server, form }, slots: slotElements(server, form) };
  },
  asFound,
  leaver,
});

function stepTo(before: Installed | undefined, server: VirtualServer | undefined, random: () => number): Step {
  if (server === undefined)
    return {
      before: before === undefined ? NOTHING : serverParts(before.server, before.form),
      after: NOTHING,
      installed: undefined,
    };
  if (before !== undefined) return stepBetween(before, server, random);
  const form = drawn(random);
  return { before: NOTHING, after: serverParts(server, form), installed: { server, form } };
}

/** Mostly another task: what is said of the server itself is not even written then, to be compared. */
function stepBetween(before: Installed, server: VirtualServer, random: () => number): Step {
  const [oldRow, row] = [slots(before.server), slots(server)];
  const [old, rules] = [serverRules(before.server, oldRow), serverRules(server, row)];
  const form = keeping(old, rules)(serverChain(server.mark)) ? before.form : drawn(random);
  const [was, is] = [taskElements(before.server, before.form, oldRow), taskElements(server, form, row)];
  const same = isItself(before.server, server);
  return {
    before: { ...old, elements: same ? was : [...ownElements(before.server), ...was] },
    after: { ...rules, elements: same ? is : [...ownElements(server), ...is] },
    installed: { server, form },
  };
}

/** Of one key: its own elements are the same. */
const isItself = (a: VirtualServer, b: VirtualServer): boolean =>
  sameIdentity(a, b) && a.scheduler === b.scheduler && a.affinity === b.affinity && isIdle(a) === isIdle(b);

/** Many times more than slots, so that each is as likely. */
const MANY = 2 ** 24;
const drawn = (random: () => number): number => Math.floor(random() * MANY);

/** Undefined if slots lead elsewhere. */
function asFound(server: VirtualServer, there: ReadonlyMap<string, Placed>): Found | undefined {
  const straight = serverParts(server, 0);
  const row = straight.elements.filter((element) => isSlotMap(element.in));
  const found = row.map((element) => there.get(idOf(element))?.value);
  const isTurnedBy = (start: number): boolean => found.every((to, i) => to === row[(i + start) % row.length]!.value);
  if (isTurnedBy(0)) return { installed: { server, form: 0 }, parts: straight };
  const start = row.findIndex(({ value }, i) => value === found[0] && isTurnedBy(i));
  return start < 0 ? undefined : { installed: { server, form: start }, parts: serverParts(server, start) };
}

/** Chains and sets are those of tasks: a server's own one comes and goes with its mark. */
const leaver: Dialect["leaver"] = {
  ...leaverOf,
  element: ({ in: name, key, value = "" }) => {
    if (isSlotMap(name)) return `${Math.floor(Number(key) / ROOM)}`;
    return isLeading(name) ? /^goto s-(\d+)$/.exec(value)?.[1] : undefined;
  },
};
