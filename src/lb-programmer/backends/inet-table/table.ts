/**
 * A table of our own in each namespace, `inet eleven`, as a state: looked at, changed, built anew. What is in the kernel is remembered
 * between calls, so that a change sends what differs and nothing else. Where that fails, because somebody else changed the table, it is
 * built anew in one transaction per 1 000 servers.
 */
import type { Change } from "../../../os/nftables/types.ts";
import { EMPTY, type LbOp, type LbState, type LbTarget, type VirtualServer } from "../../state.ts";
import { mayHold } from "../common/own.ts";
import { whereOf } from "../common/where.ts";
import { changesOf, madeBy } from "./changes.ts";
import type { Dialect, Installed } from "./dialect.ts";
import { chunks, NewTables } from "./new-tables.ts";
import { NOTHING, otherElements, type Parts } from "./parts.ts";
import { lookAt, Refusal, readTable, rehearse, transaction } from "./transaction.ts";
import { marksIn, understand, type Whole } from "./understand.ts";

/** What is in the kernel: nothing of ours (undefined), a table that is not as we write it, or these. */
type Known = undefined | { readonly damaged: true; readonly marks: readonly number[] } | Held;

interface Held {
  readonly servers: Map<string, Installed>;
  readonly sets: Set<string>;
  others: Parts;
}

/** Servers per transaction: a huge one would keep the kernel busy for seconds. */
const CHUNK = 1000;

export class InetTable {
  readonly #dialect: Dialect;
  readonly #chunk: number;
  readonly #tables: NewTables;
  /** By target and namespace (`whereOf`); missing: never looked. */
  readonly #known = new Map<string, { readonly known: Known }>();
  /** The kernel has all that we need. */
  #rehearsed = false;

  constructor(dialect: Dialect, chunk: number = CHUNK) {
    this.#dialect = dialect;
    this.#chunk = chunk;
    this.#tables = new NewTables(dialect, chunk);
  }

  /** Tries the whole skeleton without installing it, once: a kernel that lacks a piece says so. */
  async probe(target: LbTarget): Promise<void> {
    if (this.#rehearsed) return lookAt(target);
    await rehearse(target, this.#dialect.skeleton.whole());
    this.#rehearsed = true;
  }

  /** Reads the table and remembers it; EMPTY if it is not there or not as we would write it. */
  look(target: LbTarget, whole?: Whole): LbState {
    const before = this.#known.get(whereOf(target))?.known;
    this.forget(target);
    const most = mostOf(target, before);
    const table = readTable(target, most);
    if (table === undefined) {
      this.#known.set(whereOf(target), { known: undefined });
      return EMPTY;
    }
    const found = table === "endless" ? undefined : understand(this.#dialect, table, most, whole);
    if (table === "endless" || found === undefined || !mayHold(target, found.state)) {
      const marks = table === "endless" ? [] : marksIn(table);
      this.#known.set(whereOf(target), { known: { damaged: true, marks } });
      return EMPTY;
    }
    const sets = new Set(table.sets.map(({ name }) => name));
    const others: Parts = { ...NOTHING, elements: otherElements(found.state) };
    this.#known.set(whereOf(target), { known: heldOf(others, found.servers, sets) });
    return found.state;
  }

  /**
   * Brings the servers that the steps are about, and if one is about something else, all of that, to what `desired` has. Resolves to how
   * many transactions that took.
   */
  async change(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<number | undefined> {
    if (!this.isKnown(target)) this.look(target);
    try {
      return await this.#change(target, ops, desired);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error; // what only took too long may still come to be: twice would be too much
      await this.#rebuild(target, desired);
      return undefined;
    }
  }

  /** All of it goes. */
  async remove(target: LbTarget): Promise<void> {
    await transaction(target, this.#removal(target));
  }

  /** It is looked at before it is changed. */
  forget(target: LbTarget): void {
    this.#known.delete(whereOf(target));
  }

  isKnown(target: LbTarget): boolean {
    return this.#known.has(whereOf(target));
  }

  /** Servers that the table has, as far as that is known. */
  servers(target: LbTarget): readonly VirtualServer[] {
    const known = this.#known.get(whereOf(target))?.known;
    return known === undefined || isDamaged(known) ? [] : [...known.servers.values()].map(({ server }) => server);
  }

  /** Marks of the servers that a table says it has which is not as we would write it. */
  damagedMarks(target: LbTarget): readonly number[] {
    const known = this.#known.get(whereOf(target))?.known;
    return known !== undefined && isDamaged(known) ? known.marks : [];
  }

  clear(): void {
    this.#known.clear();
    this.#tables.clear();
  }

  async #change(target: LbTarget, ops: readonly LbOp[], desired: LbState): Promise<number> {
    const known = this.#known.get(whereOf(target))?.known;
    if (known === undefined || isDamaged(known)) return this.#rebuild(target, desired);
    const wanted = new Map<string, VirtualServer | undefined>(); // as the last step about each has it: not looked for among thousands
    for (const op of ops)
      if ("server" in op) wanted.set(op.server.key, op.op === "server.remove" ? undefined : op.server);
    const rest = ops.some((op) => !("server" in op) && op.op !== "sysctl.set");
    const others: Parts = rest ? { ...NOTHING, elements: otherElements(desired) } : known.others;
    this.forget(target); // unknown until all of it is done
    let first = rest ? [{ before: known.others, after: others }] : [];
    let changed = 0;
    for (const part of chunks([...wanted.keys()], this.#chunk)) {
      const steps = part.map((key) => this.#dialect.step(known.servers.get(key), wanted.get(key)));
      const left = part.flatMap((key) => known.servers.get(key)?.left ?? []);
      const ways = [...first, ...steps, ...left.map((before) => ({ before, after: NOTHING }))];
      for (const changes of changesOf(this.#dialect.skeleton, ways, known.sets)) {
        changed += await transaction(target, changes);
        for (const name of madeBy(changes)) known.sets.add(name);
      }
      steps.forEach(({ installed }, i) => {
        if (installed === undefined) known.servers.delete(part[i]!);
        else known.servers.set(part[i]!, installed);
      });
      first = [];
    }
    known.others = others;
    this.#known.set(whereOf(target), { known });
    return changed;
  }

  /** Everything from nothing. The old table, if there is one, goes in the same transaction. */
  async #rebuild(target: LbTarget, desired: LbState): Promise<number> {
    if (!this.isKnown(target)) this.look(target);
    let begin: readonly Change[] = [...this.#removal(target), NEW];
    this.forget(target);
    const { transactions, servers, sets, others } = this.#tables.of(desired);
    let changed = 0;
    for (const changes of transactions) {
      changed += await transaction(target, [...begin, ...changes]);
      begin = [];
    }
    this.#known.set(whereOf(target), { known: heldOf(others, servers, sets) });
    return changed;
  }

  /** Of the table as it was found. */
  #removal(target: LbTarget): readonly Change[] {
    return this.#known.get(whereOf(target))?.known === undefined ? [] : [{ kind: "table.delete" }];
  }
}

const isDamaged = (known: NonNullable<Known>): known is Exclude<Known, undefined | Held> => "damaged" in known;

/**
 * Elements that a table may have: in a container's namespace some times what we left there, since it takes time to compare them
 * with what we would write. A restart that finds more writes it anew.
 */
function mostOf({ kind }: LbTarget, before: Known): number {
  if (kind !== "sandbox") return Number.POSITIVE_INFINITY;
  const left = before === undefined || isDamaged(before) ? 0 : elementsIn(before);
  return Math.max(50_000, 2 * left);
}

const elementsIn = ({ servers, others }: Held): number =>
  [...servers.values()].reduce((sum, { server }) => sum + 2 * server.destinations.length + 8, others.elements.length);

const heldOf = (others: Parts, servers: readonly Installed[], sets: ReadonlySet<string>): Held => ({
  sets: new Set(sets),
  servers: new Map(servers.map((installed) => [installed.server.key, installed])),
  others,
});

/** The same object each time, whose octets are kept. */
const NEW: Change = { kind: "table.add" };
