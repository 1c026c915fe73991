/** Our own questions coming back to us, straight from an upstream that is ourselves or by way of one that forwards to us. */
import type { Flight, Try } from "./flight.ts";
import type { ForwardRequest } from "./types.ts";

/** The try whose packet this request is, octet for octet: somewhere among our upstreams we ask ourselves. */
export function findOwnQuery(flights: Iterable<Flight>, request: ForwardRequest): Try | undefined {
  const id = (request.packet[0]! << 8) | request.packet[1]!;
  for (const flight of flights) {
    if (flight.request.question !== request.question) continue;
    for (const attempt of flight.tries) {
      if (attempt.id === id && isOut(attempt) && sameBehindId(flight.request.packet, request.packet)) return attempt;
    }
  }
  return undefined;
}

/** The try that an upstream is handing back: it asks us what we are asking it. */
export function findTryAt(flights: Iterable<Flight>, request: ForwardRequest): Try | undefined {
  for (const flight of flights) {
    if (flight.request.question !== request.question) continue;
    for (const attempt of flight.tries) if (isOut(attempt) && attempt.server.address === request.from) return attempt;
  }
  return undefined;
}

const isOut = (attempt: Try): boolean => attempt.state === "waiting" || attempt.state === "failed";

function sameBehindId(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 2; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
