/**
 * What of a server nftables has no place for, as a comment: "rr 0 ml <key>". A comment holds 128 octets without
 * quotation marks; what a longer key has left goes into comments of elements of `names`.
 */
import type { VirtualServer } from "../../state.ts";
import { affinity, foreign, KEY, SCHEDULERS, word } from "../common/typed.ts";

type Told = Pick<VirtualServer, "key" | "scheduler" | "affinity" | "forwarding" | "from" | "keepSource"> & {
  /** Only declared ports of the VIP are balanced. */
  readonly limited?: true;
};

const ROOM = 120;
const PIECES = new RegExp(`.{1,${ROOM}}`, "g");

/** The comment, in pieces: the server's own first. */
export function commentsOf(server: VirtualServer): readonly string[] {
  const { key, scheduler, affinity, forwarding, from, keepSource, only } = server;
  const flags = `${forwarding === "direct" ? "d" : "m"}${from[0]}${keepSource ? "k" : ""}${only ? "o" : ""}`;
  const text = `${scheduler} ${affinity} ${flags} ${written(key)}`;
  return text.length <= ROOM ? [text] : (text.match(PIECES) ?? []);
}

/** Which server a rule is of, for people. */
export const shortName = ({ key }: VirtualServer): string => written(key).slice(0, ROOM);

const written = (key: string): string => key.replace(/[^!#$&-~]/gu, encodeURIComponent);

/** What `commentsOf` wrote, put together again; foreign if it is nothing of the kind. */
export function told(comment: string): Told {
  const match = /^(\w+) (\d+) ([md])([lap])(k?)(o?) (\S+)$/.exec(comment);
  if (match === null) return foreign();
  const [, scheduler, affine, forwarding, from, kept, limited, key] = match;
  return {
    key: keyOf(key!),
    scheduler: word(scheduler, SCHEDULERS),
    affinity: affinity(affine),
    forwarding: forwarding === "d" ? "direct" : "masquerade",
    from: from === "l" ? "local" : from === "a" ? "arriving" : "published",
    ...(kept === "k" && { keepSource: true as const }),
    ...(limited === "o" && { limited: true as const }),
  };
}

function keyOf(text: string): string {
  if (!KEY.test(text)) return foreign();
  try {
    return decodeURIComponent(text);
  } catch {
    return foreign();
  }
}
