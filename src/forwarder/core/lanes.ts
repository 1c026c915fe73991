/**
 * Lanes: the sockets towards upstreams, each connected to one server from a port of its own, and the tries waiting on them.
 * Decides which socket a query takes and how long a socket lives; opening and sending is the exchange's work.
 */
import type { Exchange, LaneKind } from "./exchange.ts";
import type { Lane, Try } from "./flight.ts";
import type { Server } from "./upstream-health.ts";
import { addressQuery } from "./upstream-query.ts";

// A socket per query would give each one a random port (RFC 5452 section 9.2), but costs more than the query. So up to
// eight ports are open to a server, one is picked at random for each query, and none stays long enough to be found by
// probing (SAD DNS needs a minute to scan for open ports). A server that is asked rarely gets a new port for each query.
const [POOL, USES, LIFETIME] = [8, 512, 10_000] as const;
const TCP_IDLE = 3_000;
/** Connections to one server at a time. */
const MOST_TCP = 16;
/**
 * So many messages that answer nothing (late, forged, unsolicited) end a lane: whoever guesses at a port gets no more tries
 * than these, and whoever floods a connection keeps nobody busy.
 */
const MOST_STRAYS = { udp: 16, tcp: 8 } as const;
/** No answer for so long counts as a failure of the server; the try itself goes on. */
const PATIENCE = 1_500;
const SWEEP_EVERY = 500;

/** The lanes of one server. */
interface ServerLanes {
  /** Those that take new queries. */
  readonly udp: Lane[];
  tcp: Lane | undefined;
  /** Counted with the retired ones: TCP lanes, and lanes of either kind. */
  connections: number;
  count: number;
}

export class Lanes {
  readonly #exchange: Exchange;
  readonly #random: () => number;
  readonly #keepFor: number;
  readonly #most: number;
  readonly #lanes = new Map<number, Lane>();
  readonly #open = new Map<Server, ServerLanes>();
  #serial = 0;
  #sweepAt = Number.POSITIVE_INFINITY;

  /** `random` gives 16 unpredictable bits. Tries are forgotten after `keepFor` ms. */
  constructor(exchange: Exchange, random: () => number, keepFor: number, maxInFlight: number) {
    this.#exchange = exchange;
    this.#random = random;
    this.#keepFor = keepFor;
    this.#most = Math.max(64, Math.ceil(maxInFlight / 64));
  }

  /** When `sweep` is due. */
  get sweepAt(): number {
    return this.#sweepAt;
  }

  get(lane: number): Lane | undefined {
    return this.#lanes.get(lane);
  }

  /** Sends the try's query under a new id on one of its server's lanes; `alone`: on a connection of its own, if there may be one. */
  send(attempt: Try, kind: LaneKind, now: number, alone = false): void {
    const lane = this.#pick(attempt.server, kind, now, alone);
    let id = this.#random();
    while (lane.waiting.has(id)) id = (id + 1) & 0xffff; // rare: a lane has 512 of 65536 in use at most
    attempt.lane = lane;
    attempt.id = id;
    lane.waiting.set(id, attempt);
    lane.usedAt = now;
    if (now + SWEEP_EVERY < this.#sweepAt) this.#sweepAt = now + SWEEP_EVERY;
    if (++lane.uses >= USES) this.retire(lane);
    const { query, plain, flight } = attempt;
    const shared = flight !== undefined && flight.tries.length > 1;
    this.#exchange.send(lane.number, addressQuery(query, id, plain, shared));
  }

  /** A message came that answers nothing; true if it was one too many. */
  stray(lane: Lane): boolean {
    return ++lane.strays > MOST_STRAYS[lane.kind];
  }

  /** The try's answer is not waited for any more. */
  settle(attempt: Try): void {
    const { lane, id } = attempt;
    if (lane.waiting.get(id) !== attempt) return;
    lane.waiting.delete(id);
    if (lane.retired && lane.waiting.size === 0) this.close(lane);
  }

  /** New queries take other lanes. */
  retire(lane: Lane): void {
    if (lane.retired) return;
    lane.retired = true;
    const open = this.#open.get(lane.server)!;
    if (open.tcp === lane) open.tcp = undefined;
    const at = open.udp.indexOf(lane);
    if (at >= 0) open.udp.splice(at, 1);
  }

  close(lane: Lane): void {
    if (!this.#lanes.delete(lane.number)) return;
    this.retire(lane);
    lane.waiting.clear();
    const open = this.#open.get(lane.server)!;
    if (lane.kind === "tcp") open.connections--;
    if (--open.count === 0) this.#open.delete(lane.server);
    this.#exchange.close(lane.number);
  }

  closeAll(): void {
    for (const lane of this.#lanes.values()) this.close(lane);
    this.#sweepAt = Number.POSITIVE_INFINITY;
  }

  /** Tells which tries have waited too long, forgets the oldest, closes what is not needed. */
  sweep(now: number, overdue: (attempt: Try) => void): void {
    for (const lane of this.#lanes.values()) {
      for (const attempt of lane.waiting.values()) {
        const age = now - attempt.sentAt;
        if (age < PATIENCE) break;
        if (!attempt.overdue) {
          attempt.overdue = true;
          overdue(attempt);
          if (lane.kind === "tcp") this.retire(lane);
        }
        if (age >= this.#keepFor) this.settle(attempt);
      }
      const idle = lane.kind === "tcp" && now - lane.usedAt >= TCP_IDLE && lane.waiting.size === 0;
      if (idle || (lane.kind === "udp" && now - lane.openedAt >= LIFETIME)) this.retire(lane);
      if (lane.retired && lane.waiting.size === 0) this.close(lane);
    }
    this.#sweepAt = this.#lanes.size > 0 ? now + SWEEP_EVERY : Number.POSITIVE_INFINITY;
  }

  #pick(server: Server, kind: LaneKind, now: number, alone: boolean): Lane {
    let open = this.#open.get(server);
    if (open === undefined) {
      open = { udp: [], tcp: undefined, connections: 0, count: 0 };
      this.#open.set(server, open);
    }
    if (kind === "tcp") {
      const shared = open.tcp === undefined ? 1 : 0; // there is always room for one that all may use
      if (alone && open.connections + shared < MOST_TCP) {
        const own = this.#add(server, kind, now);
        this.retire(own);
        return own;
      }
      open.tcp ??= this.#add(server, kind, now);
      return open.tcp;
    }
    if (open.udp.length >= POOL) return open.udp[this.#random() % POOL]!;
    if (open.count >= this.#most) this.#closeOldest(server);
    const lane = this.#add(server, kind, now);
    open.udp.push(lane);
    return lane;
  }

  #add(server: Server, kind: LaneKind, now: number): Lane {
    const number = ++this.#serial;
    const lane: Lane = {
      number,
      kind,
      server,
      openedAt: now,
      usedAt: now,
      uses: 0,
      retired: false,
      strays: 0,
      waiting: new Map(),
    };
    this.#lanes.set(number, lane);
    const open = this.#open.get(server)!;
    open.count++;
    if (kind === "tcp") open.connections++;
    this.#exchange.open(number, kind, server.address, server.port, server.netns);
    return lane;
  }

  /** A silent server would hold a socket for each 512 queries until they time out. */
  #closeOldest(server: Server) {
    for (const lane of this.#lanes.values()) if (lane.server === server && lane.retired) return this.close(lane);
  }
}
