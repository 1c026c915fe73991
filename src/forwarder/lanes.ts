/**
 * Lanes: the sockets towards upstreams, each connected to one server from a port of its own, and the tries waiting on them.
 * Decides which socket a query takes and how long a socket lives; opening and sending is the exchange's work.
 */
import type { Try } from "./flight.ts";
import type { Server } from "./upstream-health.ts";

export type LaneKind = "udp" | "tcp";

/** The I/O below the forwarder. It never calls back from inside one of these; what fails is told to `failed` later. */
export interface Exchange {
  /** Opens a socket in that namespace, from a random port, connected to this server. Packets may be sent at once. */
  open(lane: number, kind: LaneKind, address: string, port: number, netns: string | undefined): void;
  /** Sends one message; it may be kept until it is out. On a TCP lane, the exchange adds the length. */
  send(lane: number, packet: Uint8Array): void;
  close(lane: number): void;
}

export interface Lane {
  readonly number: number;
  readonly kind: LaneKind;
  readonly server: Server;
  readonly openedAt: number;
  usedAt: number;
  uses: number;
  /** Takes no new queries; closed when the last answer is in. */
  retired: boolean;
  /** By query id, oldest first. */
  readonly waiting: Map<number, Try>;
}

// A socket per query would give each one a random port (RFC 5452 section 9.2), but costs more than the query. So up to
// eight ports are open to a server, one is picked at random for each query, and none stays long enough to be found by
// probing (SAD DNS needs a minute to scan for open ports). A server that is asked rarely gets a new port for each query.
const POOL = 8;
const USES = 512;
const LIFETIME = 10_000;
const TCP_IDLE = 3_000;
/** No answer for so long counts as a failure of the server; the try itself goes on. */
const PATIENCE = 1_500;

export class Lanes {
  readonly #exchange: Exchange;
  readonly #random: () => number;
  readonly #keepFor: number;
  readonly #most: number;
  readonly #lanes = new Map<number, Lane>();
  readonly #open = new Map<Server, { udp: Lane[]; tcp: Lane | undefined; count: number }>();
  /** How many tries are out under each id: a cheap first look for our own queries coming back. */
  readonly #out = new Uint16Array(65536);
  #serial = 0;

  /** `random` gives 16 unpredictable bits. Tries are forgotten after `keepFor` ms. */
  constructor(exchange: Exchange, random: () => number, keepFor: number, maxInFlight: number) {
    this.#exchange = exchange;
    this.#random = random;
    this.#keepFor = keepFor;
    this.#most = Math.max(64, Math.ceil(maxInFlight / 64));
  }

  get size(): number {
    return this.#lanes.size;
  }

  get(lane: number): Lane | undefined {
    return this.#lanes.get(lane);
  }

  isOut(id: number): boolean {
    return this.#out[id]! > 0;
  }

  /** Sends the try's query under a new id on one of its server's lanes. */
  send(attempt: Try, kind: LaneKind, now: number): void {
    const lane = this.#pick(attempt.server, kind, now);
    let id = this.#random();
    while (lane.waiting.has(id)) id = (id + 1) & 0xffff; // rare: a lane has 512 of 65536 in use at most
    attempt.lane = lane;
    attempt.id = id;
    lane.waiting.set(id, attempt);
    lane.usedAt = now;
    this.#out[id]!++;
    if (++lane.uses >= USES) this.retire(lane);
    const source = attempt.request.packet; // copied: the client's id must stay in it, and others may be sending it, too
    const packet = Buffer.allocUnsafe(source.length);
    packet.set(source);
    packet[0] = id >> 8;
    packet[1] = id;
    this.#exchange.send(lane.number, packet);
  }

  /** The try needs no answer any more. */
  settle(attempt: Try): void {
    const { lane, id } = attempt;
    if (lane.waiting.get(id) !== attempt) return;
    lane.waiting.delete(id);
    this.#out[id]!--;
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
    for (const id of lane.waiting.keys()) this.#out[id]!--;
    lane.waiting.clear();
    const open = this.#open.get(lane.server)!;
    if (--open.count === 0) this.#open.delete(lane.server);
    this.#exchange.close(lane.number);
  }

  closeAll(): void {
    for (const lane of this.#lanes.values()) this.close(lane);
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
  }

  #pick(server: Server, kind: LaneKind, now: number): Lane {
    let open = this.#open.get(server);
    if (open === undefined) {
      open = { udp: [], tcp: undefined, count: 0 };
      this.#open.set(server, open);
    }
    if (kind === "tcp") {
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
      waiting: new Map(),
    };
    this.#lanes.set(number, lane);
    this.#open.get(server)!.count++;
    this.#exchange.open(number, kind, server.address, server.port, server.netns);
    return lane;
  }

  /** A silent server would hold a socket for each 512 queries until they time out. */
  #closeOldest(server: Server) {
    for (const lane of this.#lanes.values()) if (lane.server === server && lane.retired) return this.close(lane);
  }
}
