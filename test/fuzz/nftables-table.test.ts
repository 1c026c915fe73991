/**
 * What the kernel says our table holds, in a container's namespace anything: no exception, and whatever is made of it is changed in words
 * that we could have written.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { changesOf } from "../../src/lb-programmer/backends/nftables/changes.ts";
import { NOTHING, otherElements, serverParts } from "../../src/lb-programmer/backends/nftables/parts.ts";
import { SETS } from "../../src/lb-programmer/backends/nftables/sets.ts";
import { understand } from "../../src/lb-programmer/backends/nftables/understand.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { normal } from "../../src/lb-programmer/normal.ts";
import { EMPTY, type LbState } from "../../src/lb-programmer/state.ts";
import { OsError } from "../../src/os/error.ts";
import { writeBatch } from "../../src/os/nftables/batch.ts";
import { changeText } from "../../src/os/nftables/text.ts";
import type { Change } from "../../src/os/nftables/types.ts";
import { randomState } from "../lb-programmer/random-state.ts";
import { readBack, readOctets, tableOf } from "../support/nftables-table.ts";
import { damaged, swapped, text } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";

const MOST = 10_000;

/** Names of maps and sets that there are. */
const EVERY: ReadonlySet<string> = new Set(SETS.keys());

const CHAIN = "(?:s-\\d{3,7}|t-\\d{3,7}-[0-9a-f._]{2,45})";
const NAME = "[a-z-]{3,16}[46]?(?:-\\d{1,5})?";
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
function changesFor(state: LbState): readonly Change[] {
  const parts = [...state.servers.map(serverParts), { ...NOTHING, elements: otherElements(state) }];
  return [
    ...changesOf(
      parts.map((before) => ({ before, after: NOTHING })),
      EVERY,
    ),
    ...changesOf(
      parts.map((after) => ({ before: NOTHING, after })),
      EVERY,
    ),
  ];
}

function holds(state: LbState | undefined): void {
  if (state === undefined) return;
  const changes = changesFor(state);
  writeBatch("eleven", changes);
  for (const change of changes) {
    const line = changeText("eleven", change);
    if (!LINE.test(line)) throw new Error(`not ours: ${line.slice(0, 200)}`);
  }
  for (const op of diff(state, EMPTY))
    if ("address" in op && !/^[^\s/:"';{}\\]{1,15}$/.test(op.address.device)) throw new Error("no device");
}

/** Undefined, too, if it can't be read: that is an OsError. */
function understood(read: () => ReturnType<typeof readBack>): LbState | undefined {
  try {
    const table = read();
    return table && understand(table, MOST)?.state;
  } catch (error) {
    if (error instanceof OsError) return undefined;
    throw error;
  }
}

const STATES = fc.sample(randomState({ device: "dev0" }), 100);

test.each(STATES.slice(0, 20).map((state, i) => [i, state] as const))(
  "as it was written, it is understood: %i",
  (_, state) => {
    const there = understood(() => readBack(tableOf(state)));
    expect(there && normal(there)).toEqual(normal({ ...state, sysctls: {} }));
  },
);

const octets = fc.constantFrom(
  ...STATES.map((state) => Uint8Array.from(writeBatch("eleven", tableOf(state)).messages.octets)),
);
fuzz("nftables table", damaged(octets), (input) => holds(understood(() => readOctets(Buffer.from(input)))));

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
const written = fc.constantFrom(...STATES.map((state) => JSON.stringify(tableOf(state))));

fuzz("nftables table of other words", text(swapped(written, /"[^"]*"(?!:)|\b\d+\b/g, HOSTILE)), (input) => {
  let table: ReturnType<typeof readBack>;
  try {
    table = readBack(JSON.parse(Buffer.from(input).toString()) as Change[]);
  } catch {
    return; // nothing that can be written
  }
  holds(table && understand(table, MOST)?.state);
});
