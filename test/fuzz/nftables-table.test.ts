/**
 * What the kernel says our table holds, in a container's namespace anything: no exception, and whatever is made of it is changed in words
 * that we could have written.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { changesOf } from "../../src/lb-programmer/backends/inet-table/changes.ts";
import type { Dialect } from "../../src/lb-programmer/backends/inet-table/dialect.ts";
import { NOTHING, otherElements } from "../../src/lb-programmer/backends/inet-table/parts.ts";
import { type Understood, understand, type Whole } from "../../src/lb-programmer/backends/inet-table/understand.ts";
import { balancedBy } from "../../src/lb-programmer/backends/ipvs/balanced.ts";
import { MARKS } from "../../src/lb-programmer/backends/ipvs/table/parts.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { normal } from "../../src/lb-programmer/normal.ts";
import { EMPTY, type LbState } from "../../src/lb-programmer/state.ts";
import { familyOf } from "../../src/model/address.ts";
import { OsError } from "../../src/os/error.ts";
import type { IpvsDestination } from "../../src/os/netlink/ipvs.ts";
import { writeBatch } from "../../src/os/nftables/batch.ts";
import { changeText } from "../../src/os/nftables/text.ts";
import type { Change } from "../../src/os/nftables/types.ts";
import { randomState } from "../lb-programmer/random-state.ts";
import { EVERY, readBack, readOctets, STRAIGHT, tableOf } from "../support/nftables-table.ts";
import { damaged, swapped, text } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";

const MOST = 10_000;

interface Writer {
  readonly dialect: Dialect;
  /** What is not in the table, from where `state` was installed. */
  readonly whole: (state: LbState) => Whole;
}

const WRITERS: Readonly<Record<string, Writer>> = {
  nftables: { dialect: STRAIGHT, whole: () => (server) => server },
  ipvs: {
    dialect: MARKS,
    whole: ({ servers }) => {
      const services = servers.map(({ mark, vip, scheduler, affinity }) => ({
        ...{ mark, scheduler, affinity },
        family: familyOf(vip),
      }));
      const destinations = new Map<number, IpvsDestination[]>();
      for (const { mark, forwarding, destinations: tasks } of servers)
        destinations.set(mark, [
          ...(destinations.get(mark) ?? []),
          ...tasks.map((task) => ({ ...task, port: 0, forwarding })),
        ]);
      return balancedBy({ services, destinations });
    },
  },
};

const CHAIN = "(?:s-\\d{3,7}|t-\\d{3,7}-[0-9a-f._]{2,45})";
const NAME = "[a-z-]{3,21}[46]?(?:-\\d{1,5})?";
const WORD = '(?:[0-9a-f.:]{1,45}(?:/\\d{1,3})?|\\d{1,5}-\\d{1,5}|tcp|udp|sctp|"[^\\s/:"\';{}\\\\]{1,15}")';
const KEY = `${WORD}(?: \\. ${WORD}){0,2}`;
const COMMENT = '(?: comment "[ !#-~]{1,124}")?';
const ELEMENT = `${KEY}${COMMENT}(?: : (?:goto ${CHAIN}|b-\\d{3,7}|${KEY}))?`;
const LINE = new RegExp(
  `^(?:${[
    `(?:add|delete) element inet eleven ${NAME} \\{ ${ELEMENT}(?:, ${ELEMENT})* \\}`,
    `(?:flush|add|delete) chain inet eleven ${CHAIN}`,
    `(?:add|delete) counter inet eleven [sb]-\\d{3,7}`,
    `delete set inet eleven c-\\d{3,7}-[0-9a-f._]{2,45}`,
    `add set inet eleven c-\\d{3,7}-[0-9a-f._]{2,45} \\{ type ipv[46]_addr; size 65535; flags dynamic,timeout; timeout \\d{1,5}s; \\}`,
    `add map inet eleven (?:slots[46]|turns)-\\d{1,5} \\{ typeof numgen inc mod 2 : (?:verdict|ip6? daddr); \\}`,
    `add rule inet eleven ${CHAIN} [a-z0-9 @._:{}-]+${COMMENT}`,
  ].join("|")})$`,
);

/** All that is ever changed because of a state: what takes it away, and what makes it. */
function changesFor({ skeleton, step }: Dialect, { state, servers }: Understood): readonly Change[] {
  const parts = [
    ...servers.map(({ server }) => step(undefined, server).after),
    ...servers.flatMap(({ left }) => left ?? []),
    { ...NOTHING, elements: otherElements(state) },
  ];
  return [
    ...changesOf(
      skeleton,
      parts.map((before) => ({ before, after: NOTHING })),
      EVERY,
    ),
    ...changesOf(
      skeleton,
      parts.map((after) => ({ before: NOTHING, after })),
      EVERY,
    ),
  ].flat();
}

function holds(dialect: Dialect, found: Understood | undefined): void {
  if (found === undefined) return;
  const changes = changesFor(dialect, found);
  writeBatch("eleven", changes);
  for (const change of changes) {
    const line = changeText("eleven", change);
    if (!LINE.test(line)) throw new Error(`not ours: ${line.slice(0, 200)}`);
  }
  for (const op of diff(found.state, EMPTY))
    if ("address" in op && !/^[^\s/:"';{}\\]{1,15}$/.test(op.address.device)) throw new Error("no device");
}

/** Undefined, too, if it can't be read: that is an OsError. */
function understood(dialect: Dialect, whole: Whole, read: () => ReturnType<typeof readBack>): Understood | undefined {
  try {
    const table = read();
    return table && understand(dialect, table, MOST, whole);
  } catch (error) {
    if (error instanceof OsError) return undefined;
    throw error;
  }
}

const STATES = fc.sample(randomState({ device: "dev0" }), 100);

/** What we look into, and nobody else; and what is looked for only where there are both, what is balanced and its sources. */
const OURS = /^(servers[46]|tasks[46]|owned[46]|names|snats[46]|masqueraded[46])$/;

/** What a container could put in the place of a word. */
const HOSTILE = fc.constantFrom(
  ...[
    '"lo\\nnetns exec x"',
    '"}\\ninclude \\"/\\""',
    '"../../.."',
    '"rr 0 ml %zz"',
    '"rr 0 ml a\\nb"',
    '"256"',
    '"4294967295"',
    '"10.0.1.9"',
    '"fd00::9"',
    '"goto s-256"',
    '"goto s-1; flush ruleset"',
    '"accept"',
    '"tcp . 80"',
    '"10.0.0.0/8"',
    '"local4"',
    '"s-256; x"',
    '"::"',
    "255",
    "0",
    "65536",
  ],
);
describe.each(Object.entries(WRITERS))("%s", (name, { dialect, whole }) => {
  test.each(STATES.slice(0, 20).map((state, i) => [i, state] as const))(
    "as it was written, it is understood: %i",
    (_, state) => {
      const there = understood(dialect, whole(state), () => readBack(tableOf(state, dialect)));
      expect(there && normal(there.state)).toEqual(normal({ ...state, sysctls: {} }));
    },
  );

  test.each(STATES.map((state, i) => [i, state] as const))(
    "what is put into a set is looked at by a rule: %i",
    (_, state) => {
      const changes = tableOf(state, dialect);
      const rules = changes
        .flatMap((change) => (change.kind === "rule.add" ? `${changeText("eleven", change)} ` : []))
        .join("");
      const filled = changes.flatMap((change) => (change.kind === "elements.add" ? change.set.name : []));
      expect(filled.filter((name) => !OURS.test(name) && !rules.includes(`@${name} `))).toEqual([]);
    },
  );

  const nothing = whole(EMPTY);
  const octets = fc.constantFrom(
    ...STATES.map((state) => Uint8Array.from(writeBatch("eleven", tableOf(state, dialect)).messages.octets)),
  );
  fuzz(`table, ${name}`, damaged(octets), (input) =>
    holds(
      dialect,
      understood(dialect, nothing, () => readOctets(Buffer.from(input))),
    ),
  );

  const written = fc.constantFrom(...STATES.map((state) => JSON.stringify(tableOf(state, dialect))));
  fuzz(`table of other words, ${name}`, text(swapped(written, /"[^"]*"(?!:)|\b\d+\b/g, HOSTILE)), (input) => {
    let table: ReturnType<typeof readBack>;
    try {
      table = readBack(JSON.parse(Buffer.from(input).toString()) as Change[]);
    } catch {
      return; // nothing that can be written
    }
    holds(dialect, table && understand(dialect, table, MOST, nothing));
  });
});
