/**
 * What has happened in all namespaces since the last time, in few words: two sockets (multicast.ts), and of each namespace how often its
 * rules have been changed by now, whether addresses have come or gone, and whether it is gone itself.
 */
import { OsError } from "../error.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, Netlink } from "./connection.ts";
import { Multicast } from "./multicast.ts";
import { NFGENMSG, parseGeneration } from "./nfnetlink.ts";
import { NO_NUMBER, namespaceNumber, ownNumber, parseNumber } from "./nsid.ts";
import type { Message } from "./read.ts";

export interface Heard {
  /** By the namespace's number; NO_NUMBER: this one. */
  readonly in: ReadonlyMap<number, { readonly generation?: number; readonly addresses?: boolean }>;
  /** Numbers that lead to nobody any more. */
  readonly gone: ReadonlySet<number>;
  /** False: there was more, and it is lost. */
  readonly whole: boolean;
}

const RTNLGRP = { address4: 5, address6: 9, numbers: 28 };
const NFNLGRP_NFTABLES = 7;
/** What ends each change of nftables' rules. All else of them is dropped by the kernel. */
const NEW_GENERATION = (10 << 8) | 15;
const [NEW_ADDRESS, DELETE_ADDRESS, NEW_NUMBER, DELETE_NUMBER] = [20, 21, 88, 89] as const;

export class Hearing {
  readonly #open: { close(): void }[] = [];
  readonly #rules: Multicast;
  readonly #routes: Multicast;
  readonly #ask: Netlink;
  /** Undefined: it can't be told. */
  #own: number | undefined;

  /** Of this thread's namespace, which must be its home. Throws an OsError where nothing can be heard. */
  constructor() {
    try {
      this.#rules = this.#opened(new Multicast(NETLINK_NETFILTER, [NFNLGRP_NFTABLES], NEW_GENERATION));
      this.#routes = this.#opened(new Multicast(NETLINK_ROUTE, Object.values(RTNLGRP)));
      this.#ask = this.#opened(new Netlink(NETLINK_ROUTE));
      this.#own = ownNumber(this.#ask);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Under which the namespace at `path` is heard from now on. Throws an OsError. */
  numberOf(path: string | undefined): number {
    return path === undefined ? NO_NUMBER : namespaceNumber(this.#ask, path);
  }

  take(): Heard {
    const news = new Map<number, { generation?: number; addresses?: boolean }>();
    const gone = new Set<number>();
    const of = (from: number): { generation?: number; addresses?: boolean } => {
      const number = from === this.#own ? NO_NUMBER : from;
      const there = news.get(number) ?? {};
      news.set(number, there);
      return there;
    };
    const rules = this.#rules.take((from, { type, payload }) => {
      const generation = type === NEW_GENERATION && payload.length > NFGENMSG ? parseGeneration(payload) : undefined;
      if (generation !== undefined) of(from).generation = generation;
    });
    const routes = this.#routes.take((from, message) => {
      if (message.type === NEW_ADDRESS || message.type === DELETE_ADDRESS) of(from).addresses = true;
      else if (from === NO_NUMBER || from === this.#own) this.#renumbered(message, gone);
    });
    if (!routes) this.#askOwn(); // what was lost may have been that it is another
    return { in: news, gone, whole: rules && routes && this.#own !== undefined };
  }

  close(): void {
    for (const one of this.#open.splice(0)) one.close();
  }

  #renumbered({ type, payload }: Message, gone: Set<number>): void {
    if (type === NEW_NUMBER) this.#askOwn();
    if (type === DELETE_NUMBER) gone.add(parseNumber(payload));
  }

  #askOwn(): void {
    try {
      this.#own = ownNumber(this.#ask);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      this.#own = undefined;
    }
  }

  #opened<T extends { close(): void }>(one: T): T {
    this.#open.push(one);
    return one;
  }
}
