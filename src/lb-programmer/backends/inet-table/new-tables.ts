/**
 * Tables for namespaces that have none. Hundreds of sandboxes on one network get the same one, but for whose turn is first: what they have in
 * common is the same objects for all of them, of which the octets are kept (os/nftables/batch.ts), and only slots are made anew.
 */
import { keepOctets } from "../../../os/nftables/batch.ts";
import type { Change } from "../../../os/nftables/types.ts";
import { isSame } from "../../diff.ts";
import type { LbState, VirtualServer } from "../../state.ts";
import { changesOf, madeBy } from "./changes.ts";
import type { Dialect, Installed } from "./dialect.ts";
import { NOTHING, otherElements, type Parts } from "./parts.ts";
import { added } from "./phase.ts";
import { isSlotMap } from "./sets.ts";

export interface NewTable {
  /** One for so many servers each, made when it is asked for: the rest of this is whole after the last. The table itself is not in it. */
  readonly transactions: Iterable<readonly Change[]>;
  readonly servers: readonly Installed[];
  /** Names of the maps and sets that it has then. */
  readonly sets: ReadonlySet<string>;
  readonly others: Parts;
}

/** What tables of the same servers have in common. */
interface Common extends Pick<NewTable, "sets" | "others"> {
  readonly state: LbState;
  readonly changes: readonly Change[];
}

/** Servers of all tables that are kept: 5 kB each, with three tasks. */
const KEPT = 2_000;

export class NewTables {
  readonly #dialect: Dialect;
  readonly #chunk: number;
  /** Lists of servers (plan/planner.ts: the same object for all who have the same) of which one table was made. */
  readonly #seen = new WeakSet<readonly VirtualServer[]>();
  /** Of which several were, those that were used last at the end. */
  readonly #kept = new Map<readonly VirtualServer[], Common>();

  /** `chunk`: servers per transaction. */
  constructor(dialect: Dialect, chunk: number) {
    this.#dialect = dialect;
    this.#chunk = chunk;
  }

  of(state: LbState): NewTable {
    const { servers } = state;
    const kept = this.#kept.get(servers);
    if (kept !== undefined && isSame({ ...kept.state, sysctls: state.sysctls }, state)) return this.#again(kept);
    const table = this.#made(state);
    if (servers.length === 0 || servers.length > Math.min(this.#chunk, KEPT)) return table;
    const [changes = []] = table.transactions;
    const { sets, others } = table;
    if (this.#seen.has(servers)) this.#keep({ state, sets, others, changes: changes.filter((c) => !isOfSlots(c)) });
    else this.#seen.add(servers);
    return { ...table, transactions: [changes] };
  }

  clear(): void {
    this.#kept.clear();
  }

  #made(state: LbState): NewTable {
    const { skeleton, step } = this.#dialect;
    const others: Parts = { ...NOTHING, elements: otherElements(state) };
    const sets = new Set<string>();
    const servers: Installed[] = [];
    const parts = chunks(state.servers, this.#chunk);
    function* transactions(): Generator<readonly Change[]> {
      let first = [{ before: NOTHING, after: others }];
      for (const part of parts) {
        const steps = part.map((server) => step(undefined, server));
        const changes = changesOf(skeleton, [...first, ...steps], sets).flat(); // nobody is led yet: it is one
        for (const name of madeBy(changes)) sets.add(name);
        servers.push(...steps.flatMap(({ installed }) => installed ?? []));
        yield changes;
        first = [];
      }
    }
    return { transactions: transactions(), servers, sets, others };
  }

  /** In the place of those that were used least lately. */
  #keep(common: Common): void {
    const { servers } = common.state;
    this.#kept.delete(servers);
    let room = KEPT - servers.length;
    for (const { length } of this.#kept.keys()) room -= length;
    for (const oldest of this.#kept.keys()) {
      if (room >= 0) break;
      this.#kept.delete(oldest);
      room += oldest.length;
    }
    this.#kept.set(servers, common);
    keepOctets(common.changes);
  }

  #again(common: Common): NewTable {
    const { state, sets, others, changes } = common;
    this.#kept.delete(state.servers);
    this.#kept.set(state.servers, common); // used last
    const turns = state.servers.map((server) => this.#dialect.turn(server));
    const slots = added(turns.flatMap((turn) => turn.slots));
    return { transactions: [[...changes, ...slots]], servers: turns.map(({ installed }) => installed), sets, others };
  }
}

const isOfSlots = (change: Change): boolean => change.kind === "elements.add" && isSlotMap(change.set.name);

/** At least one chunk, even of nothing. */
export function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.max(1, Math.ceil(items.length / size));
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
