/** What is known about one upstream: how fast it answers, whether it answers at all. Decides nothing but whom to prefer. */
import { placeText } from "../../model/address.ts";
import { Abilities } from "./abilities.ts";

export class Server {
  readonly address: string;
  readonly port: number;
  /** Namespace whose routes lead there; missing: this process's own. */
  readonly netns: string | undefined;
  /** "192.0.2.1:53", "[fd00::1]:53": as it stands in messages and metrics. */
  readonly name: string;
  /** Smoothed round trip time and its mean deviation in ms, as TCP keeps them (RFC 6298 section 2); -1: not known yet. */
  roundTrip = -1;
  deviation = 0;
  /** Failures in a row. */
  failures = 0;
  downUntil = Number.NEGATIVE_INFINITY;
  /** While one query tries a server that was down, the others pass by. */
  heldUntil = Number.NEGATIVE_INFINITY;
  answeredAt = Number.NEGATIVE_INFINITY;
  backoff = FIRST_BACKOFF;
  readonly abilities = new Abilities();

  constructor(address: string, port: number, netns?: string) {
    this.address = address;
    this.port = port;
    this.netns = netns;
    this.name = placeText(address, port);
  }
}

const DOWN_AFTER = 3;
const FIRST_BACKOFF = 2_000;
const LAST_BACKOFF = 60_000;
const ONE_AT_A_TIME = 1_000;

/**
 * A valid reply came, whatever its rcode: the server is alive. `sentAt` only where the time tells its speed (UDP). True if it had been
 * given up.
 */
export function answered(server: Server, now: number, sentAt?: number): boolean {
  const wasDown = server.failures >= DOWN_AFTER;
  server.failures = 0;
  server.backoff = FIRST_BACKOFF;
  server.downUntil = server.heldUntil = Number.NEGATIVE_INFINITY;
  server.answeredAt = now;
  if (sentAt === undefined) return wasDown;
  const sample = now - sentAt;
  if (server.roundTrip < 0) {
    server.roundTrip = sample;
    server.deviation = sample / 2;
    return wasDown;
  }
  server.deviation += (Math.abs(server.roundTrip - sample) - server.deviation) / 4;
  server.roundTrip += (sample - server.roundTrip) / 8;
  return wasDown;
}

/** A try was not answered, or its socket failed. One lost packet among many answered ones says nothing. True if it is given up now. */
export function failed(server: Server, now: number, sentAt: number): boolean {
  if (sentAt <= server.answeredAt || now < server.downUntil) return false;
  if (++server.failures < DOWN_AFTER) return false;
  server.downUntil = now + server.backoff;
  server.backoff = Math.min(server.backoff * 2, LAST_BACKOFF);
  return server.failures === DOWN_AFTER;
}

/** Called when a try goes out. */
export function asked(server: Server, now: number): void {
  if (server.failures >= DOWN_AFTER) server.heldUntil = now + ONE_AT_A_TIME;
}

export const healthy = (server: Server, now: number): boolean => now >= server.downUntil && now >= server.heldUntil;

/** How long to wait for this server before another is asked, too: what nearly all its answers take. */
export function hedgeDelay(server: Server): number {
  if (server.roundTrip < 0) return 250;
  return Math.min(400, Math.max(40, server.roundTrip + 4 * server.deviation));
}
