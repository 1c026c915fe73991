/** Tasks that take nothing new: how long they have been like that, whether their connections are over, when to look again. */
import { isGone, type LbBackend } from "../backends/backend.ts";
import { withoutCommon } from "../changed.ts";
import type { Clock } from "../clock.ts";
import type { Destination, LbState, LbTarget, VirtualServer } from "../state.ts";
import type { DrainingTask } from "./leaving.ts";

/** Seconds that tasks of servers without a time of their own have. */
const DRAIN = 10;

/** Milliseconds of one pass that may be spent on asking for connections. */
const ASKING = 50;

export class Draining {
  readonly #backend: Pick<LbBackend, "connections">;
  readonly #clock: Clock;
  /** When tasks were first seen to have weight 0, in the clock's milliseconds; and in which servers they were looked for. */
  readonly #idleSince = new Map<string, number>();
  #noted: readonly VirtualServer[] = [];

  constructor(backend: Pick<LbBackend, "connections">, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** Takes note of tasks that have weight 0 in the kernel by now: the time that they are given counts from here. */
  note({ servers }: LbState): void {
    const [olds, news] = withoutCommon(this.#noted, servers);
    const idle = idleNames(news);
    for (const name of idleNames(olds)) if (!idle.has(name)) this.#idleSince.delete(name);
    for (const name of idle) if (!this.#idleSince.has(name)) this.#idleSince.set(name, this.#clock.now());
    this.#noted = servers;
  }

  /** Those that may go: without connections, or their time is over. Who still gets new connections is not asked. */
  async over(tasks: readonly DrainingTask[], target: LbTarget): Promise<ReadonlySet<Destination>> {
    const over = new Set<Destination>();
    const until = this.#clock.now() + ASKING;
    for (const { server, task } of tasks) {
      if (this.#timeLeft(server, task) <= 0) over.add(task);
      else if (this.#since(server, task) === undefined || this.#clock.now() > until)
        continue; // it has its full time
      else if ((await this.#connections(target, server, task)) === 0) over.add(task);
    }
    return over;
  }

  /** Milliseconds until these should be looked at again, `interval` at most: at once where they have just begun to drain. */
  next(tasks: readonly DrainingTask[], interval: number): number | undefined {
    const waits = tasks.map(({ server, task }) =>
      this.#since(server, task) === undefined ? 0 : Math.min(interval, this.#timeLeft(server, task)),
    );
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** A task whose connections can't be counted has its full time. */
  #connections(target: LbTarget, server: VirtualServer, task: Destination): Promise<number> {
    return this.#backend.connections(target, server, task).catch((error) => {
      if (isGone(error)) throw error;
      return Number.POSITIVE_INFINITY;
    });
  }

  #timeLeft(server: VirtualServer, task: Destination): number {
    const now = this.#clock.now();
    return (this.#since(server, task) ?? now) + (server.drain ?? DRAIN) * 1000 - now;
  }

  #since(server: VirtualServer, task: Destination): number | undefined {
    return this.#idleSince.get(nameOf(server, task));
  }
}

function idleNames(servers: readonly VirtualServer[]): ReadonlySet<string> {
  if (!servers.some((server) => server.destinations.some(isIdle))) return NOBODY;
  return new Set(servers.flatMap((server) => server.destinations.filter(isIdle).map((task) => nameOf(server, task))));
}

const isIdle = ({ weight }: Destination): boolean => weight === 0;
const NOBODY: ReadonlySet<string> = new Set();

const nameOf = ({ key }: VirtualServer, { address }: Destination): string => `${key} ${address}`;
