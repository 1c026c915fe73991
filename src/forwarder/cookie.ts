/** DNS cookies (RFC 7873) are between neighbours: the client's is for us, who have none, and not for the upstream. */
import type { ForwardRequest } from "./types.ts";

const TYPE_OPT = 41;
const OPT = 11;
const OPTION_COOKIE = 10;

/**
 * The request without its cookie, if that is the one thing in its OPT, as it is from dig and from most resolvers: so their
 * questions are kept and shared as everyone's. With other options beside it everything goes upstream as it came.
 */
export function withoutCookie(request: ForwardRequest): ForwardRequest {
  const { packet, questionEnd: at } = request;
  const end = at + OPT;
  if (packet.length < end + 4 || packet[at] !== 0 || word(packet, at + 1) !== TYPE_OPT) return request;
  if (word(packet, 6) !== 0 || word(packet, 8) !== 0 || word(packet, 10) !== 1) return request;
  const length = packet.length - end;
  if (word(packet, at + 9) !== length || word(packet, end) !== OPTION_COOKIE || word(packet, end + 2) !== length - 4)
    return request;
  const bare = new Uint8Array(packet.subarray(0, end));
  bare[at + 9] = 0;
  bare[at + 10] = 0;
  return { ...request, packet: bare };
}

const word = (packet: Uint8Array, at: number): number => (packet[at]! << 8) | packet[at + 1]!;
