/** What a packet meets that is on its way while a service changes, and what is read if we end there: the kernel's rules, played. */
import { describe, expect, test } from "vitest";
import { changesOf } from "../../../src/lb-programmer/backends/inet-table/changes.ts";
import type { Installed } from "../../../src/lb-programmer/backends/inet-table/dialect.ts";
import { NOTHING } from "../../../src/lb-programmer/backends/inet-table/parts.ts";
import { understand } from "../../../src/lb-programmer/backends/inet-table/understand.ts";
import { turning } from "../../../src/lb-programmer/backends/nftables/turns.ts";
import { diff } from "../../../src/lb-programmer/diff.ts";
import { normal } from "../../../src/lb-programmer/normal.ts";
import { EMPTY, type VirtualServer } from "../../../src/lb-programmer/state.ts";
import { seeded } from "../../support/chance.ts";
import { PlayedTable, tasksOf } from "../../support/played-table.ts";
import { parseState } from "../state-text.ts";

const VIP = "10.0.1.4";
const PORT = "tcp . 85";
const server = (more: string, ...tasks: string[]): VirtualServer =>
  parseState([`server web/mynet/4 ${VIP} mark ${more}`, ...tasks.map((task) => `10.0.1.${task}`)].join("\n"))
    .servers[0]!;

const declared = ({ only }: VirtualServer): string => JSON.stringify(only) ?? "";

const FORMS: readonly (readonly [string, VirtualServer])[] = [
  ["one task", server("256 local rr", "5 1")],
  ["three", server("256 local rr", "5 1", "6 1", "7 1")],
  ["two others", server("256 local rr", "8 1", "9 1")],
  ["one drains", server("256 local rr", "5 1", "6 0", "7 1")],
  ["weights", server("256 local wrr", "5 1", "6 2", "7 3")],
  ["by source", server("256 local sh", "5 1", "6 1")],
  ["one task, affinity", server("256 local rr affinity 60", "7 1")],
  ["three, affinity", server("256 local rr affinity 60", "5 1", "6 1", "7 1")],
  ["two others, affinity", server("256 local rr affinity 60", "4 1", "8 1")],
  ["longer affinity", server("256 local wrr affinity 600", "5 1", "6 3")],
  ["declared", server("256 local rr only tcp/85,udp/53", "5 1", "6 1")],
  ["a declared range", server("256 local rr only tcp/80-89", "5 1", "6 1")],
  ["a longer one, affinity", server("256 local rr affinity 60 only tcp/80-99", "5 1")],
  ["another mark", server("300 local rr", "5 1", "6 1")],
  ["another mark, declared, affinity", server("600 local rr affinity 60 only tcp/85", "5 1", "6 1")],
];

/** Not another mark and other declared ports at once: servers keep their marks unless the state directory is lost. */
const PAIRS = FORMS.flatMap(([from, before]) =>
  FORMS.flatMap(([to, after]) =>
    from === to || (before.mark !== after.mark && declared(before) !== declared(after))
      ? []
      : [[from, to, before, after] as const],
  ),
);

const dialect = turning(seeded(11));

/** A table of one server, and the names of what it has. */
class Played {
  readonly table = new PlayedTable();
  readonly sets = new Set<string>();
  installed: Installed | undefined;

  /** The table as it is after each transaction. */
  become(to: VirtualServer): readonly PlayedTable[] {
    const step = dialect.step(this.installed, to);
    const left = this.installed?.left;
    const ways = [step, ...(left ? [{ before: left, after: NOTHING }] : [])];
    this.installed = step.installed;
    return changesOf(dialect.skeleton, ways, this.sets).map((changes) => {
      this.table.play(changes);
      for (const change of changes) if (change.kind === "set.add") this.sets.add(change.set.name);
      return this.table.copy();
    });
  }
}

function understood(table: PlayedTable) {
  const read = table.read();
  return { read, found: understand(dialect, read, 1_000) };
}

const addresses = (...servers: readonly VirtualServer[]) =>
  servers.flatMap(({ destinations }) => destinations.map(({ address }) => address));

describe("nftables: transactions of a step", () => {
  test.each(PAIRS)("%s, then %s: whoever is on his way is led to a task", (_, __, before, after) => {
    const played = new Played();
    played.become(before);
    let was = played.table.copy();
    for (const is of played.become(after)) {
      const packets = {
        "old rules, what is new is there": { rules: was, found: () => is },
        "new rules, ranges are not there yet": { rules: is, found: (set: string) => (is.isOfRanges(set) ? was : is) },
        "all is there": { rules: is, found: () => is },
      };
      for (const [who, packet] of Object.entries(packets))
        for (const task of tasksOf(VIP, PORT, packet)) expect(addresses(before, after), who).toContain(task);
      was = is;
    }
    expect(tasksOf(VIP, PORT, { rules: was, found: () => was })).toEqual(
      after.destinations.flatMap(({ address, weight }) => (weight > 0 ? address : [])).sort(),
    );
  });

  test.each(PAIRS.filter(([, , before, after]) => before.mark === after.mark))(
    "%s, then %s: ended in between, what is left is seen, and taken away by the next step",
    (_, __, before, after) => {
      const steps = (() => {
        const played = new Played();
        played.become(before);
        return played.become(after).slice(0, -1).length;
      })();
      for (let done = 1; done <= steps; done++) {
        for (const wanted of [before, after]) {
          const played = new Played();
          played.become(before);
          const half = played.become(after)[done - 1]!;
          const { read, found } = understood(half);
          expect(found, `after ${done}`).toBeDefined();
          expect(diff(found!.state, { ...EMPTY, servers: [wanted] })).not.toEqual([]);
          const next = new Played();
          Object.assign(next, { table: half, installed: found!.servers[0] });
          for (const { name } of read.sets) next.sets.add(name);
          next.become(wanted);
          expect(normal(understood(next.table).found!.state)).toEqual(normal({ ...EMPTY, servers: [wanted] }));
        }
      }
    },
  );
});
