/** The balancer's whole table for a state: as changes, as the kernel gives it back, and a kernel that gives back whatever it is told. */
import { changesOf } from "../../src/lb-programmer/backends/inet-table/changes.ts";
import type { Dialect } from "../../src/lb-programmer/backends/inet-table/dialect.ts";
import { NOTHING, otherElements } from "../../src/lb-programmer/backends/inet-table/parts.ts";
import { SETS } from "../../src/lb-programmer/backends/inet-table/sets.ts";
import { turning } from "../../src/lb-programmer/backends/nftables/turns.ts";
import type { LbState, VirtualServer } from "../../src/lb-programmer/state.ts";
import type { Netlink } from "../../src/os/netlink/connection.ts";
import { type Message, parseAttributes, parseMessages } from "../../src/os/netlink/read.ts";
import { MessageWriter } from "../../src/os/netlink/write.ts";
import { writeBatch } from "../../src/os/nftables/batch.ts";
import { NF_TABLES } from "../../src/os/nftables/message.ts";
import { type Ruleset, readRuleset } from "../../src/os/nftables/ruleset.ts";
import type { Change } from "../../src/os/nftables/types.ts";
import { parseState } from "../lb-programmer/state-text.ts";

/** Names of the maps and sets of a table that has all of them. */
export const EVERY: ReadonlySet<string> = new Set(SETS.keys());

export const lines = (text: string): string[] => text.split("\n").flatMap((line) => line.trim() || []);

/** Transactions as lines, with "then" between them. */
export const transactions = (text: string): string[][] =>
  text.split("then").flatMap((part) => (lines(part).length > 0 ? [lines(part)] : []));

/** The first one in the house's notation. */
export const serverOf = (text: string): VirtualServer => parseState(text).servers[0]!;

/** Turns begin with the first task. */
export const STRAIGHT = turning(() => 0);

/** From nothing to all of it. */
export const tableOf = (state: LbState, dialect: Dialect = STRAIGHT): readonly Change[] => [
  { kind: "table.add" },
  ...changesOf(
    dialect.skeleton,
    [
      { before: NOTHING, after: { ...NOTHING, elements: otherElements(state) } },
      ...state.servers.map((server) => dialect.step(undefined, server)),
    ],
    new Set(),
  ).flat(),
];

/** What is read of a table that these changes made. */
export const readBack = (changes: readonly Change[]): Ruleset | undefined =>
  readOctets(writeBatch("eleven", changes).messages.octets);

/** What is read of these messages. The rules' own sets are all the same one here, which is the truth for ours. */
export function readOctets(octets: Buffer): Ruleset | undefined {
  const messages = parseMessages(octets);
  const kernel = {
    ask: () => GENERATION,
    find: () => messages.find(({ type }) => type === NF_TABLES.NEWTABLE)?.payload,
    dump: (_: string, request: MessageWriter, read: (entry: Buffer) => unknown) => {
      const { type, payload } = requested(request);
      const set = parseAttributes(payload.subarray(4)).text(2);
      const entries = messages.filter((message) => message.type === type - 1 && (!set || setOf(message) === set));
      return (set === OWN ? entries.slice(0, 1) : entries).flatMap((entry) => read(entry.payload) ?? []);
    },
  };
  const table = readRuleset(kernel as unknown as Netlink, "eleven");
  return (
    table && { ...table, rules: new Map([...table.rules].map(([chain, rules]) => [chain, rules.map(withoutIds)])) }
  );
}

type ReadRule = Ruleset["rules"] extends ReadonlyMap<string, readonly (infer Rule)[]> ? Rule : never;

/** Of sets: the kernel does not keep them. */
const withoutIds = (rule: ReadRule): ReadRule => ({
  ...rule,
  expressions: rule.expressions.map((expression) => {
    if (expression.kind !== "lookup" || expression.id === undefined) return expression;
    const { id: _, ...rest } = expression;
    return rest as typeof expression;
  }),
});

const OWN = "__set%d";
const GENERATION = new MessageWriter().message(0, 0, [0, 0, 0, 0], (to) => to.be32(1, 7)).octets.subarray(16);

const requested = (request: MessageWriter): Message => parseMessages(request.octets)[0]!;
const setOf = ({ payload }: Message): string | undefined => parseAttributes(payload.subarray(4)).text(2);
