/**
 * The numbers under which this namespace knows others (`ip netns list-id`): messages from elsewhere come with one. A number is given once
 * and goes with the namespace; it keeps nothing alive. linux/net_namespace.h.
 */
import { closeSync, fstatSync } from "node:fs";
import { openNamespace, withHome } from "../netns.ts";
import { type Netlink, refused } from "./connection.ts";
import { parseAttributes } from "./read.ts";
import { MessageWriter } from "./write.ts";

const [NEW_NSID, GET_NSID] = [88, 90] as const;
const NETNSA = { number: 1, fd: 3 };
/** rtgenmsg: the family, padded. */
const RTGENMSG = [0, 0, 0, 0];
const EEXIST = 17;
/** Of this namespace, whatever others call it; of another one: it has none. */
export const NO_NUMBER = -1;

/**
 * The number of the namespace at `path`, given to it now if it has none; NO_NUMBER if it is this one. `routes`: a connection to
 * rtnetlink. Throws an OsError.
 */
export function namespaceNumber(routes: Netlink, path: string): number {
  const there = openNamespace(path);
  try {
    if (withHome((home) => fstatSync(home).ino === fstatSync(there).ino)) return NO_NUMBER;
    const number = numberOf(routes, there);
    if (number !== NO_NUMBER) return number;
    const to = new MessageWriter();
    to.message(NEW_NSID, 0, RTGENMSG, () => to.u32(NETNSA.fd, there).raw(NETNSA.number, ANY));
    const [refusal] = routes.execute(OP, to);
    if (refusal !== undefined && refusal.errno !== EEXIST) throw refused(OP, refusal, path);
    return numberOf(routes, there);
  } finally {
    closeSync(there);
  }
}

/** Under which this namespace knows itself: as a rule it does not, but anyone here may have asked for it. */
export const ownNumber = (routes: Netlink): number => withHome((home) => numberOf(routes, home));

function numberOf(routes: Netlink, fd: number): number {
  const to = new MessageWriter();
  to.message(GET_NSID, 0, RTGENMSG, () => to.u32(NETNSA.fd, fd));
  return parseNumber(routes.ask(OP, to));
}

/** From rtgenmsg on. */
export function parseNumber(message: Buffer): number {
  const number = parseAttributes(message.subarray(RTGENMSG.length)).u32(NETNSA.number);
  return number === undefined ? NO_NUMBER : number | 0;
}

const OP = "namespace number";
const ANY = [255, 255, 255, 255];
