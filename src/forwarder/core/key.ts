/** What makes two queries the same: the key under which an answer is kept and a question in flight is shared. */
import { HEADER, RD } from "../../wire/constants.ts";
import type { ForwardRequest } from "./types.ts";
import { PASSED } from "./upstream-query.ts";

/**
 * All that the upstream will see but the id and the name's case: the group, RD, AD, CD, DO, the question. Whatever else a
 * client writes into its query makes no second flight, so nobody can have one question asked many times (RFC 5452 section 5).
 */
export function questionKey(prefix: string, { packet, question, dnssecOk }: ForwardRequest): string {
  const flags = ((packet[2]! << 8) | packet[3]!) & PASSED;
  return prefix + String.fromCharCode(question.length, flags | (dnssecOk ? 1 : 0)) + question;
}

/** True if the answer may be kept: the cache knows recursive questions only, and no transfers. */
export const isKeepable = ({ packet, question }: ForwardRequest): boolean =>
  (packet[2]! & (RD >> 8)) !== 0 && !isTransfer(question);

/** IXFR, AXFR, MAILB and MAILA: 251 to 254. ANY may be kept. */
function isTransfer(question: string): boolean {
  const low = question.charCodeAt(question.length - 3);
  return question.charCodeAt(question.length - 4) === 0 && low >= 251 && low <= 254;
}

/** True if the packet is one that these functions may look into. */
export const isWhole = ({ packet, questionEnd }: ForwardRequest): boolean =>
  questionEnd >= HEADER + 5 && packet.length >= questionEnd && packet.length <= 65535;
