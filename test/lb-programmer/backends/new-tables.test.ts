/** Tables for namespaces that have none: what they have in common is made once, whose turn is first each time. */
import { describe, expect, test } from "vitest";
import { NewTables } from "../../../src/lb-programmer/backends/inet-table/new-tables.ts";
import { isSlotMap } from "../../../src/lb-programmer/backends/inet-table/sets.ts";
import { understand } from "../../../src/lb-programmer/backends/inet-table/understand.ts";
import { MARKS } from "../../../src/lb-programmer/backends/ipvs/table/parts.ts";
import { turning } from "../../../src/lb-programmer/backends/nftables/turns.ts";
import { normal } from "../../../src/lb-programmer/normal.ts";
import type { LbState } from "../../../src/lb-programmer/state.ts";
import type { Change } from "../../../src/os/nftables/types.ts";
import { chiSquare, seeded } from "../../support/chance.ts";
import { readBack } from "../../support/nftables-table.ts";
import { parseState } from "../state-text.ts";

const NEW: Change = { kind: "table.add" };

const PING = "address 10.0.1.4 lo";
const web = (mark: number, how = "rr", tasks = 3): string =>
  [
    `server web${mark}/mynet/4 10.0.${mark >> 8}.${mark & 255} mark ${mark} local ${how}`,
    ...Array.from({ length: tasks }, (_, i) => `10.9.${mark & 255}.${i + 1} ${i + 1}`),
  ].join("\n");
const WEBS = [PING, web(256), web(257, "wrr"), web(258, "sh"), web(259, "rr affinity 60"), web(260, "rr", 1)];
const some = (count: number, tasks?: number): LbState =>
  parseState(Array.from({ length: count }, (_, i) => web(256 + i, "rr", tasks)).join("\n"));

const isOfSlots = (change: Change): boolean => change.kind === "elements.add" && isSlotMap(change.set.name);
const common = (changes: readonly Change[]): readonly Change[] => changes.filter((change) => !isOfSlots(change));

/** All changes of the next table. */
function next(tables: NewTables, state: LbState) {
  const { transactions, ...table } = tables.of(state);
  return { changes: [...transactions].flat(), ...table };
}

describe("new tables", () => {
  test.each([
    ["nftables", turning(seeded(3))],
    ["ipvs", MARKS],
  ])("%s: whichever it is, it is read as what it was made for, with its turns", (_, dialect) => {
    const tables = new NewTables(dialect, 1_000);
    const state = parseState(WEBS.join("\n"));
    for (let i = 0; i < 6; i++) {
      const { changes, servers, sets, others } = next(tables, state);
      const read = readBack([NEW, ...changes])!;
      const found = understand(dialect, read, 1_000, (server) => {
        const { scheduler, affinity, destinations } = state.servers.find(({ key }) => key === server.key)!;
        return dialect === MARKS ? { ...server, scheduler, affinity, destinations } : server;
      })!;
      expect(normal({ ...found.state, sysctls: {} })).toEqual(normal({ ...state, sysctls: {} }));
      expect(
        read.sets
          .map(({ name }) => name)
          .filter((name) => !name.startsWith("c-"))
          .sort(),
      ).toEqual([...sets].sort());
      expect(found.state.addresses).toHaveLength(1);
      expect(others.elements).toHaveLength(1);
      const rows = new Map(found.servers.map(({ server, form }) => [server.key, form]));
      for (const { server, form } of servers) {
        if (server.scheduler === "sh") continue; // a client's hash has no turns
        const length = server.scheduler === "wrr" ? 6 : server.destinations.length;
        expect((form - (rows.get(server.key) ?? 0)) % length, server.key).toBe(0);
      }
    }
  });

  test("from the third on, it is the same objects but for slots", () => {
    const tables = new NewTables(turning(seeded(4)), 1_000);
    const state = parseState(WEBS.join("\n"));
    const [, second, third, fourth] = Array.from({ length: 4 }, () => next(tables, state).changes);
    for (const changes of [third!, fourth!])
      expect(common(changes).every((c, i) => c === common(second!)[i])).toBe(true);
    expect(third).not.toEqual(fourth);
    expect(third!.length).toBe(second!.length);
  });

  test.each<readonly [string, (state: LbState) => LbState]>([
    ["other servers", (state) => ({ ...state, servers: [...state.servers] })],
    ["other addresses", (state) => ({ ...state, addresses: [] })],
    ["more", (state) => ({ ...state, redirects: parseState("redirect 10.0.0.5 tcp/8080 to 80").redirects })],
  ])("for %s, another is made", (_, other) => {
    const tables = new NewTables(turning(seeded(5)), 1_000);
    const state = parseState(WEBS.join("\n"));
    const changes = Array.from({ length: 3 }, () => next(tables, state).changes)[2]!;
    const others = next(tables, other(state)).changes;
    expect(others.some((change) => changes.includes(change))).toBe(false);
  });

  test("other settings are none of its business", () => {
    const tables = new NewTables(turning(seeded(5)), 1_000);
    const state = parseState(WEBS.join("\n"));
    const [, , third] = Array.from({ length: 3 }, () => next(tables, state).changes);
    expect(common(next(tables, { ...state, sysctls: { "net/x": "1" } }).changes)[0]).toBe(third![0]);
  });

  test("beyond 2 000 servers, those that were used least lately are forgotten", () => {
    const tables = new NewTables(turning(seeded(6)), 5_000);
    const [first, second, third] = [some(750, 1), some(750, 1), some(750, 1)];
    const isKept = (state: LbState): boolean => {
      const before = next(tables, state).changes[0];
      return before === next(tables, state).changes[0];
    };
    for (const state of [first, second, first, second]) next(tables, state);
    expect(isKept(first)).toBe(true);
    for (const state of [third, third]) next(tables, state);
    expect([isKept(third), isKept(first)]).toEqual([true, true]);
    const [large, none] = [some(2_001, 1), parseState(PING)];
    for (const state of [large, none]) next(tables, state);
    expect([isKept(large), isKept(none), isKept(third)]).toEqual([false, false, true]);
  });

  test("in parts, each is made when it is asked for", () => {
    const tables = new NewTables(turning(seeded(7)), 2);
    const { transactions, servers } = tables.of(some(5));
    const lengths: number[] = [];
    for (const changes of transactions) {
      expect(changes.length).toBeGreaterThan(0);
      lengths.push(servers.length);
    }
    expect(lengths).toEqual([2, 4, 5]);
  });

  test("first connections in 1 000 namespaces: of each service even, and none goes by another's", () => {
    const tables = new NewTables(turning(seeded(8)), 1_000);
    const state = some(2);
    const pairs = new Array<number>(9).fill(0);
    for (let i = 0; i < 1_000; i++) {
      const slots = next(tables, state).changes.flatMap((c) =>
        isOfSlots(c) && c.kind === "elements.add" ? c.elements : [],
      );
      const [a, b] = [256, 257].map((mark) => {
        const first = slots.find(({ key }) => key === `${mark * 1_024}`)?.value ?? "";
        return state.servers[mark - 256]!.destinations.findIndex(({ address }) => address === first);
      });
      pairs[3 * a! + b!]!++;
    }
    expect(chiSquare(pairs, new Array(9).fill(1_000 / 9))).toBeLessThan(26.1); // 8 degrees of freedom, once in a thousand
  });
});
