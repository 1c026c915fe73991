/**
 * Changes of a table, all or none: one batch of messages, sent at once. linux/netfilter/nfnetlink.h.
 *
 *   BEGIN { 1 generation }, one message or more for each change, END
 *
 * A generation, if one is given, is what the rules of the namespace must still be at. The kernel says nothing when it has done all
 * of it. Else it has done nothing, and says of each message that it did not like what is wrong with it.
 */
import type { Netlink } from "../netlink/connection.ts";
import type { Refusal } from "../netlink/read.ts";
import { MessageWriter } from "../netlink/write.ts";
import { OWN_SET, writeChain, writeOwnSet, writeRule, writeSet, writeTable } from "./attributes.ts";
import { type Compiled, compile, type OwnSet } from "./compile.ts";
import { counterNamed, writeCounter } from "./counter.ts";
import { elementAt, writeElements, writeOwnElements } from "./element.ts";
import { FAMILY, type Family, NF_TABLES } from "./message.ts";
import { changeText } from "./text.ts";
import type { Change, Element, NamedSet, Rule } from "./types.ts";

/** The change that the kernel refused, and because of which it made none of them. */
export interface Refused extends Refusal {
  /** Undefined: the batch as such ("ERESTART": the generation is another). */
  readonly change: Change | undefined;
  /** The change in nft's words; of many elements only the one that was refused. */
  readonly text: string;
}

/**
 * Makes all changes, or none: then what was refused comes back. Rejects with an OsError if the kernel can't be reached, with an Error if a
 * change can't be written.
 */
export async function commit(
  netlink: Netlink,
  table: string,
  changes: readonly Change[],
  generation?: number,
): Promise<readonly Refused[]> {
  const batch = writeBatch(table, changes, generation);
  const refusals = await netlink.transact("nftables", batch.messages);
  return [...refusals].map(([i, refusal]) => {
    const change = changes[batch.changes[i] ?? -1];
    return { ...refusal, change, text: change === undefined ? "batch" : refusedText(table, change, batch, i, refusal) };
  });
}

export interface WrittenBatch {
  readonly messages: MessageWriter;
  /** For each message the number of its change; -1: none. */
  readonly changes: readonly number[];
}

/** The whole batch, octet by octet but for sequence numbers. */
export function writeBatch(
  table: string,
  changes: readonly Change[],
  generation?: number,
  family: Family = "inet",
): WrittenBatch {
  const writer = new BatchWriter(table, family);
  writer.bracket(BEGIN, generation);
  const of = [-1];
  for (const [i, change] of changes.entries()) {
    writer.change(change);
    while (of.length < writer.to.starts.length) of.push(i);
  }
  writer.bracket(END);
  return { messages: writer.to, changes: [...of, -1] };
}

const BEGIN = 16;
const END = 17;
const GENERATION = 1;
/** Of nfgenmsg, in network order: the subsystem of the batch. */
const IN_NF_TABLES = [0, 0, 0, 10] as const;

const CREATE = 0x400;
const APPEND = 0x800;
const LIST = { table: 1, set: 2, id: 4 } as const;

/** Elements per message: an attribute ends at 65 535 octets. */
const MOST = 200;

interface Kept {
  /** Family, table, and the number that the next set had. */
  readonly where: string;
  readonly octets: Buffer;
  readonly starts: readonly number[];
  /** How many numbers of sets it takes. */
  readonly ids: number;
}

const KEPT = new WeakMap<Change, Kept>();
const NOT_YET: Kept = { where: "", octets: Buffer.alloc(0), starts: [], ids: 0 };

/** These very objects are made in many namespaces: when they are written next, their octets are kept with them. */
export function keepOctets(changes: readonly Change[]): void {
  for (const change of changes) KEPT.set(change, NOT_YET);
}

class BatchWriter {
  readonly to = new MessageWriter(16_384);
  readonly #table: string;
  readonly #family: Family;
  /** Of the next set, by which later messages of the batch find one that has no name yet. */
  #id = 1;

  constructor(table: string, family: Family) {
    this.#table = table;
    this.#family = family;
  }

  bracket(type: number, generation?: number): void {
    this.to.message(type, 0, IN_NF_TABLES, (to) => {
      if (generation !== undefined) to.be32(GENERATION, generation);
    });
  }

  change(change: Change): void {
    const kept = KEPT.get(change);
    if (kept === undefined) this.#write(change);
    else this.#again(change, kept);
  }

  #again(change: Change, kept: Kept): void {
    const id = this.#id;
    const where = `${this.#family} ${this.#table} ${id}`;
    if (kept.where === where) {
      this.to.repeat(kept.octets, kept.starts);
      this.#id += kept.ids;
      return;
    }
    const [first, from] = [this.to.starts.length, this.to.octets.length];
    this.#write(change);
    const octets = Buffer.from(this.to.octets.subarray(from));
    const starts = this.to.starts.slice(first).map((start) => start - from);
    KEPT.set(change, { where, octets, starts, ids: this.#id - id });
  }

  #write(change: Change): void {
    const table = this.#table;
    switch (change.kind) {
      case "table.add":
        this.#message("NEWTABLE", CREATE, (to) => writeTable(to, table));
        break;
      case "table.delete":
        this.#message("DELTABLE", 0, (to) => to.text(1, table));
        break;
      case "chain.add":
        this.#message("NEWCHAIN", CREATE, (to) => writeChain(to, table, change.chain));
        break;
      case "chain.flush":
        this.#message("DELRULE", 0, (to) => to.text(1, table).text(2, change.chain));
        break;
      case "chain.delete":
        this.#message("DELCHAIN", 0, (to) => to.text(1, table).text(3, change.chain));
        break;
      case "set.add":
        this.#message("NEWSET", CREATE, (to) => writeSet(to, table, change.set, this.#id++));
        break;
      case "set.delete":
      case "set.flush":
        this.#message(EMPTYING[change.kind], 0, (to) => to.text(1, table).text(2, change.set));
        break;
      case "counter.add":
      case "counter.delete":
        this.#counter(change.kind, change.counter);
        break;
      case "rule.add":
        this.#rule(change.rule);
        break;
      case "elements.add":
        this.#elements("NEWSETELEM", CREATE, change.set, change.elements);
        break;
      case "elements.delete":
        this.#elements("DELSETELEM", 0, change.set, change.elements);
        break;
    }
  }

  #counter(kind: "counter.add" | "counter.delete", name: string): void {
    if (kind === "counter.add") this.#message("NEWOBJ", CREATE, (to) => writeCounter(to, this.#table, name));
    else this.#message("DELOBJ", 0, (to) => counterNamed(to, this.#table, name));
  }

  #rule({ chain, statements, comment }: Rule): void {
    const expressions = compile(statements, this.#family).map((expression) => this.#withSet(expression));
    this.#message("NEWRULE", CREATE | APPEND, (to) => writeRule(to, this.#table, chain, expressions, comment));
  }

  /** A set of the rule's own is made just before it. */
  #withSet(expression: Compiled) {
    if (expression.kind !== "lookup") return expression;
    const { set, ...rest } = expression;
    return typeof set === "string" ? { ...rest, set } : { ...rest, set: OWN_SET, id: this.#ownSet(set) };
  }

  #ownSet(set: OwnSet): number {
    const id = this.#id++;
    const table = this.#table;
    this.#message("NEWSET", CREATE, (to) => writeOwnSet(to, table, set.type, set.values.length, id));
    this.#message("NEWSETELEM", CREATE, (to) => {
      to.text(LIST.table, table).text(LIST.set, OWN_SET).be32(LIST.id, id);
      writeOwnElements(to, set.values);
    });
    return id;
  }

  #elements(type: "NEWSETELEM" | "DELSETELEM", flags: number, set: NamedSet, elements: readonly Element[]): void {
    for (let at = 0; at < elements.length; at += MOST)
      this.#message(type, flags, (to) => {
        to.text(LIST.table, this.#table).text(LIST.set, set.name);
        writeElements(to, set, elements.length <= MOST ? elements : elements.slice(at, at + MOST));
      });
  }

  #message(type: keyof typeof NF_TABLES, flags: number, attributes: (to: MessageWriter) => unknown): void {
    this.to.message(NF_TABLES[type], flags, [FAMILY[this.#family], 0, 0, 0], attributes);
  }
}

function refusedText(table: string, change: Change, batch: WrittenBatch, i: number, { offset }: Refusal): string {
  if (change.kind !== "elements.add" && change.kind !== "elements.delete") return changeText(table, change);
  const before = i - batch.changes.indexOf(batch.changes[i]!); // messages of the same change
  const part = change.elements.slice(before * MOST, (before + 1) * MOST);
  const { octets, starts } = batch.messages;
  const message = octets.subarray(starts[i], starts[i + 1]);
  const number = offset === undefined ? undefined : elementAt(message, offset);
  const meant = number === undefined ? undefined : part[number];
  return changeText(table, { ...change, elements: meant === undefined ? part : [meant] });
}

const EMPTYING = { "set.delete": "DELSET", "set.flush": "DELSETELEM" } as const;
