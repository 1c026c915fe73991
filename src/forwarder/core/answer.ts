/**
 * An upstream's answer between arrival and delivery: its OPT record was for us, so one answer serves clients with EDNS and
 * without (RFC 6891 section 7). Each gets its id, its flags, its spelling of the name, and as much as it takes.
 */
import { CD, HEADER, RD } from "../../wire/constants.ts";
import { cutReply, respellOwners } from "../../wire/fit.ts";
import { appendOpt, extendedErrors, NO_OPTIONS, OPT_SIZE } from "../../wire/opt.ts";
import type { ReplySurvey } from "../../wire/reply.ts";
import type { ForwardRequest } from "./types.ts";

export interface Answer {
  /** A message without OPT record; behind `end` is room for one, perhaps. */
  readonly octets: Uint8Array;
  readonly end: number;
  /** The upstream's extended errors, as options. */
  readonly errors: Uint8Array;
}

/** So many octets of extended errors are kept: with the longest name and an OPT record, they fit into 512. */
const MOST_ERRORS = 160;

/** The answer in a reply that `survey` describes. The packet is changed: its OPT goes (and what few servers put behind it). */
export function answerOf(
  packet: Uint8Array,
  survey: ReplySurvey,
  { packet: query, questionEnd }: ForwardRequest,
): Answer {
  const { optAt } = survey;
  const end = optAt > 0 ? optAt : survey.end;
  const errors = optAt > 0 ? extendedErrors(packet, optAt, MOST_ERRORS) : NO_OPTIONS;
  if (optAt > 0) {
    packet[10] = survey.beforeOpt >> 8;
    packet[11] = survey.beforeOpt;
  }
  if (survey.spelledOut) respellOwners(packet, questionEnd, end, query);
  return { octets: packet, end, errors };
}

/** What can be used of a truncated reply, which need not be whole: its records up to where it was cut off. */
export function partOf(packet: Uint8Array, { questionEnd }: ForwardRequest): Answer {
  const octets = new Uint8Array(packet);
  const end = cutReply(octets, questionEnd, octets.length, octets.length);
  return { octets: octets.subarray(0, end), end, errors: NO_OPTIONS };
}

/** The rcode and the extended errors alone. */
export function bareAnswer(packet: Uint8Array, survey: ReplySurvey, request: ForwardRequest): Answer {
  const { errors } = answerOf(packet, survey, request);
  const octets = new Uint8Array(packet.subarray(0, request.questionEnd)).fill(0, 6, HEADER);
  return { octets, end: octets.length, errors };
}

/** The answer as this client gets it. `own`: nobody else reads the octets, so they may be changed in place where there is room. */
export function fitAnswer({ octets, end, errors }: Answer, request: ForwardRequest, own: boolean): Uint8Array {
  const size = end + (request.edns ? OPT_SIZE + errors.length : 0);
  if (own && octets.length >= size) return fitted(octets, end, errors, request);
  const out = Buffer.allocUnsafe(size);
  out.set(end === octets.length ? octets : octets.subarray(0, end));
  return fitted(out, end, errors, request);
}

/** Makes the first `end` octets this client's answer; behind them is room for its OPT with these errors, if it gets one. */
export function fitted(out: Uint8Array, end: number, errors: Uint8Array, request: ForwardRequest): Uint8Array {
  addressed(out, request);
  const { edns, limit, dnssecOk, questionEnd } = request;
  const fixed = edns ? OPT_SIZE : 0;
  const kept = end + fixed + errors.length <= limit || end + fixed > limit ? errors : NO_OPTIONS;
  const room = limit - fixed - (edns ? kept.length : 0);
  let at = end > room ? cutReply(out, questionEnd, end, room) : end;
  if (edns) at = appendOpt(out, at, dnssecOk, kept);
  return out.length === at ? out : out.subarray(0, at);
}

/** The id, RD and CD, and the question as the client wrote it. The question matches but for case. */
function addressed(answer: Uint8Array, { packet, questionEnd }: ForwardRequest): void {
  answer[0] = packet[0]!;
  answer[1] = packet[1]!;
  answer[2] = (answer[2]! & ~(RD >> 8)) | (packet[2]! & (RD >> 8));
  answer[3] = (answer[3]! & ~CD) | (packet[3]! & CD);
  for (let at = HEADER; at < questionEnd; at++) answer[at] = packet[at]!;
}
