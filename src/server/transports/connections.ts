/** The connections of one TCP listener in the order of their last query: who has to go, and when. Knows no clock. */

/** Milliseconds until a connection that sends no complete query is closed (moby: 2 s for the first, 8 s between). */
const FIRST_QUERY = 2_000;
const IDLE = 8_000;
/** Past this many connections on one listener the longest idle one makes room. */
export const MAX_CONNECTIONS = 512;

export interface Times {
  readonly first: number;
  readonly idle: number;
}

export interface Member {
  /** When its last complete query came, or it itself. */
  since: number;
  /** Questions that wait for an upstream. */
  readonly pending: number;
}

export class Connections<C extends Member> {
  /** Octets that peers have not taken yet. */
  readonly held = { unread: 0 };
  readonly #times: Times;
  // Each in order of `since`, and as all in one have the same time to live, in order of when it ends.
  readonly #fresh = new Set<C>();
  readonly #others = new Set<C>();
  /** Those whose time was over while they waited for an upstream, and who got it once more. Once only: no upstream is waited for that long. */
  readonly #extended = new Set<C>();

  constructor(times: Times = { first: FIRST_QUERY, idle: IDLE }) {
    this.#times = times;
  }

  get size(): number {
    return this.#fresh.size + this.#others.size;
  }

  add(connection: C): void {
    this.#fresh.add(connection);
  }

  /** It has sent a complete query. Called for each of those and not for each octet: a peer that drips octets does not stay. */
  served(connection: C, now: number): void {
    if (!this.delete(connection)) return;
    connection.since = now;
    this.#others.add(connection);
  }

  /** False if it was not there. */
  delete(connection: C): boolean {
    this.#extended.delete(connection);
    return this.#fresh.delete(connection) || this.#others.delete(connection);
  }

  longestIdle(): C | undefined {
    const [fresh] = this.#fresh;
    const [other] = this.#others;
    if (fresh === undefined || other === undefined) return fresh ?? other;
    return fresh.since < other.since ? fresh : other;
  }

  /** When somebody's time is over; Infinity: nobody is there. */
  nextDeadline(): number {
    const [fresh] = this.#fresh;
    const [other] = this.#others;
    return Math.min(
      fresh === undefined ? Number.POSITIVE_INFINITY : fresh.since + this.#times.first,
      other === undefined ? Number.POSITIVE_INFINITY : other.since + this.#times.idle,
    );
  }

  /** Those whose time is over, to be closed. */
  expired(now: number): readonly C[] {
    const gone: C[] = [];
    for (const c of this.#fresh) {
      if (now < c.since + this.#times.first) break;
      gone.push(c);
    }
    for (const c of this.#others) {
      if (now < c.since + this.#times.idle) break;
      if (c.pending === 0 || this.#extended.has(c)) gone.push(c);
      else this.#extend(c, now);
    }
    return gone;
  }

  [Symbol.iterator](): IterableIterator<C> {
    return [...this.#fresh, ...this.#others].values();
  }

  #extend(connection: C, now: number): void {
    this.served(connection, now);
    this.#extended.add(connection);
  }
}
