/** Who may reach a published port, in the tables of both dialects: what is written, and what is made of one that lacks something. Pure. */
import { describe, expect, test } from "vitest";
import { changesOf } from "../../../src/lb-programmer/backends/inet-table/changes.ts";
import { NOTHING, otherElements } from "../../../src/lb-programmer/backends/inet-table/parts.ts";
import { understand } from "../../../src/lb-programmer/backends/inet-table/understand.ts";
import { MARKS } from "../../../src/lb-programmer/backends/ipvs/table/parts.ts";
import { changeText } from "../../../src/os/nftables/text.ts";
import type { Change } from "../../../src/os/nftables/types.ts";
import { readBack, STRAIGHT, tableOf } from "../../support/nftables-table.ts";
import { parseState, stateText } from "../state-text.ts";

const BOTH = "published tcp 80 to 10.0.0.2 80 over gw\npublished tcp 80 to fd00::2 80 over gw";
const ONLY_4 = BOTH.replace(/$/m, " from 192.0.2.0/24").concat(" from nobody");
const ONLY_6 = BOTH.replace(/$/m, " from nobody").concat(" from fd01::/64");
const RULES = {
  4: "meta nfproto ipv4 fib daddr type local meta l4proto . th dport @limited4 ip saddr . meta l4proto . th dport != @sources4 drop",
  6: "meta nfproto ipv6 fib daddr type local meta l4proto . th dport @limited6 ip6 saddr . meta l4proto . th dport != @sources6 drop",
};

/** Those of the rules that drop what is not among the sources, and the sets for them. */
const limiting = (changes: readonly Change[]): readonly string[] =>
  changes.flatMap((change) => {
    const text = changeText("eleven", change);
    return /^add (set|element) inet eleven (limited|sources)|@limited/.test(text)
      ? text.replace(/^add (set|rule|element) inet eleven (entering )?|;? (type|flags) [^;]*;/g, "").replace(" { }", "")
      : [];
  });

describe.each([
  ["nftables", STRAIGHT],
  ["ipvs", MARKS],
])("%s: sources of published ports", (_, dialect) => {
  test.each([
    ["none are said: everybody", BOTH, []],
    [
      "of IPv4: nobody has another family's",
      ONLY_4,
      [
        "limited4",
        "sources4",
        "limited6",
        "sources6",
        RULES[4],
        RULES[6],
        "limited4 { tcp . 80 }",
        "sources4 { 192.0.2.0/24 . tcp . 80 }",
        "limited6 { tcp . 80 }",
      ],
    ],
    [
      "of IPv6, the same",
      ONLY_6,
      [
        "limited4",
        "limited6",
        "sources6",
        "sources4",
        RULES[4],
        RULES[6],
        "limited4 { tcp . 80 }",
        "limited6 { tcp . 80 }",
        "sources6 { fd01::/64 . tcp . 80 }",
      ],
    ],
    [
      "a port of IPv4 only",
      ONLY_4.replace(/\n.*/, ""),
      ["limited4", "sources4", RULES[4], "limited4 { tcp . 80 }", "sources4 { 192.0.2.0/24 . tcp . 80 }"],
    ],
  ])("%s", (_, text, expected) => {
    const state = parseState(text);
    const changes = tableOf(state, dialect);
    expect([...limiting(changes)].sort()).toEqual([...expected].sort());
    const found = understand(dialect, readBack(changes)!, 1000);
    expect(found && stateText(found.state)).toBe(stateText(state));
  });

  test("a table that an earlier version left open has to be built anew", () => {
    const open = tableOf(parseState(ONLY_4), dialect).filter(
      (change) => !changeText("eleven", change).includes("sources6"),
    );
    expect(understand(dialect, readBack(open)!, 1000)).toBeUndefined();
  });

  test("sources that come later are elements and nothing else", () => {
    const before = tableOf(parseState(ONLY_4), dialect);
    const there = new Set(before.flatMap((change) => (change.kind === "set.add" ? change.set.name : [])));
    const parts = (text: string) => ({ ...NOTHING, elements: otherElements(parseState(text)) });
    const changes = [changesOf(dialect.skeleton, [{ before: parts(ONLY_4), after: parts(ONLY_6) }], there)].flat(2);
    expect(changes.map((change) => changeText("eleven", change))).toEqual([
      "delete element inet eleven sources4 { 192.0.2.0/24 . tcp . 80 }",
      "add element inet eleven sources6 { fd01::/64 . tcp . 80 }",
    ]);
  });
});
