/** What a packet is to the try whose id it has: its answer, or something that proves nothing (RFC 5452 section 9.1). */
import { FORMERR, NOERROR, NOTIMP, NXDOMAIN, REFUSED, SERVFAIL } from "../../wire/constants.ts";
import {
  headerRcode,
  isBare,
  isTruncated,
  type ReplySurvey,
  sameQuestion,
  sameSpelling,
  surveyReply,
} from "../../wire/reply.ts";
import type { LaneKind } from "./exchange.ts";
import type { Try } from "./flight.ts";
import { hasCapital } from "./upstream-query.ts";

/**
 * answer      final, whatever it says; `survey` describes it
 * rejected    an error: another server may know better
 * truncated   ask over TCP
 * bare        an error without a question, tied to ours by nothing but its id: that try fails, and may still be answered
 * respelled   right but for the name's case, from a server that should have kept it: forged, or a box on the road
 * broken      right as far as it can be read
 * stray       answers nothing that we asked
 */
export type Verdict = "answer" | "rejected" | "truncated" | "bare" | "respelled" | "broken" | "stray";

export function judge(
  packet: Uint8Array,
  { query, questionEnd, server }: Try,
  kind: LaneKind,
  into: ReplySurvey,
): Verdict {
  const { abilities } = server;
  if (sameSpelling(packet, query, questionEnd)) {
    if (!abilities.keepsCase && hasCapital(query, questionEnd)) abilities.keptCase();
  } else if (isBare(packet)) {
    const rcode = headerRcode(packet);
    return rcode === NOERROR || rcode === NXDOMAIN ? "stray" : "bare";
  } else if (!sameQuestion(packet, query, questionEnd)) return "stray";
  else if (!abilities.believesRespelled(kind)) return "respelled";

  const whole = surveyReply(packet, questionEnd, into);
  if (whole && into.optAt > 0) abilities.knewEdns();
  if (kind === "udp" && isTruncated(packet)) return "truncated";
  if (!whole) return "broken";
  return isRejection(into.rcode) ? "rejected" : "answer";
}

/** Extended rcodes are between us and the server: about EDNS versions, cookies, keys. */
const isRejection = (rcode: number): boolean =>
  rcode === SERVFAIL || rcode === REFUSED || rcode === FORMERR || rcode === NOTIMP || rcode > 15;
