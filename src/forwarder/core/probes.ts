/**
 * Forwarding loops, proved and never believed. Where one is suspected, the server is asked for a name that nobody can guess,
 * below the very name in question, so that it takes the same road; if that comes back to us as a question, it is a loop. Only
 * the server, or who answers for that name, could hand it back unasked; and what follows concerns that one question.
 */
import { OPT_SIZE } from "../../wire/opt.ts";
import { sameSpelling } from "../../wire/reply.ts";
import type { Flight, Try } from "./flight.ts";
import type { ForwardRequest } from "./types.ts";
import { queryBelow } from "./upstream-query.ts";

/** A request for a question in flight may be our own, come back to us: if it has our spelling of the name, or is from a server we ask. */
export function looksLikeOurs(flight: Flight, { packet, questionEnd, from }: ForwardRequest): boolean {
  const { query, request, group } = flight;
  if (sameSpelling(packet, query, questionEnd) && !sameSpelling(request.packet, query, questionEnd)) return true;
  return group.servers.some((server) => server.address === from);
}

/** Digits of a probe's label: 128 bits. */
const DIGITS = 32;

export class Probes {
  readonly #random: () => number;
  /** By label; each belongs to a try of a flight, and goes with it. */
  readonly #out = new Map<string, Try>();

  /** `random` gives 16 unpredictable bits. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** A try of its own, to be sent: the probe of the server that `attempt` waits for. */
  begin(attempt: Try, now: number): Try {
    let label = "";
    while (label.length < DIGITS) label += this.#random().toString(16).padStart(4, "0");
    attempt.probe = label;
    this.#out.set(label, attempt);
    const query = queryBelow(attempt.query, label);
    return { ...attempt, flight: undefined, query, questionEnd: query.length - OPT_SIZE, sentAt: now, probe: "" };
  }

  /** The try whose probe this question is. */
  met(question: string): Try | undefined {
    if (this.#out.size === 0 || question.charCodeAt(0) !== DIGITS) return undefined;
    return this.#out.get(question.slice(1, 1 + DIGITS));
  }

  /** The try waits no more. */
  end(attempt: Try): void {
    if (attempt.probe !== "") this.#out.delete(attempt.probe);
  }
}
