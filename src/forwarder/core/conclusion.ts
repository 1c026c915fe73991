/** What to tell those who wait when nothing is left to try: what all servers agree on, or who said or did what. */
import { EDE_NETWORK_ERROR, EDE_NO_REACHABLE_AUTHORITY, EDE_OTHER, REFUSED, SERVFAIL } from "../../wire/constants.ts";
import { errorOption } from "../../wire/opt.ts";
import type { Flight, Outcome, Try } from "./flight.ts";
import type { Server } from "./upstream-health.ts";

/** The error that every server gave is the answer, with their extended error or ours. Else the failure is ours. */
export function conclusion(flight: Flight): Outcome {
  const last = lastTries(flight);
  const ede = reasonCode(flight);
  const text = reasonText(last);
  const { rejection, part } = flight;
  if (rejection !== undefined && last.every((t) => t.state === "rejected" && t.rcode === last[0]!.rcode))
    return rejection.errors.length > 0 ? rejection : { ...rejection, errors: errorOption({ code: ede, text }) };
  return { rcode: SERVFAIL, ede, text, part };
}

/** The last try of each server, in configured order. */
function lastTries({ tries, group }: Flight): readonly Try[] {
  return group.servers
    .map((server) => tries.findLast((t) => t.server === server))
    .filter((t): t is Try => t !== undefined);
}

/** RFC 8914 4.23: 22 covers servers that are silent or refuse; 4.24: 23 is for errors of the network. */
function reasonCode({ tries }: Flight): number {
  if (tries.some((t) => t.state === "looping" || (t.state === "rejected" && t.rcode !== REFUSED))) return EDE_OTHER;
  return tries.length > 0 && tries.every((t) => t.state === "failed") ? EDE_NETWORK_ERROR : EDE_NO_REACHABLE_AUTHORITY;
}

const reasonText = (last: readonly Try[]): string => last.slice(0, MOST_NAMED).map(reasonOf).join(", ");

function reasonOf({ server, state, reason, rcode }: Try): string {
  switch (state) {
    case "waiting":
      return `${server.name} did not answer`;
    case "failed":
      return `${server.name}: ${reason}`;
    case "doubted":
      return `${server.name}: replies that do not match`;
    case "rejected":
      return `${server.name} answered ${rcodeName(rcode)}`;
    case "truncated":
      return `${server.name} answered truncated`;
    case "looping":
      return loopText(server);
  }
}

export const loopText = (server: Server): string => `forwarding loop through ${server.name}`;

export const rcodeName = (rcode: number): string => RCODE_NAMES[rcode] ?? `rcode ${rcode}`;

const MOST_NAMED = 4;
const RCODE_NAMES: Readonly<Record<number, string>> = {
  1: "FORMERR",
  2: "SERVFAIL",
  4: "NOTIMP",
  5: "REFUSED",
  16: "BADVERS",
};
