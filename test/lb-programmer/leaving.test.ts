/** What leaves a namespace, as text: what is there, what is planned, what must be there next, and what is left then. */
import { describe, expect, test } from "vitest";
import { type Left, leavingFrom, NOTHING_LEFT, type Permit, stage } from "../../src/lb-programmer/reconcile/leaving.ts";
import { parseState, stateText } from "./state-text.ts";

const TWO = `server web/n/4 10.0.1.4 mark 256 local rr
  10.0.1.5 1
  10.0.1.6 1
address 10.0.1.4 lo`;
const ONE = `server web/n/4 10.0.1.4 mark 256 local rr
  10.0.1.6 1
address 10.0.1.4 lo`;
const DRAINING = `server web/n/4 10.0.1.4 mark 256 local rr
  10.0.1.5 0
  10.0.1.6 1
address 10.0.1.4 lo`;
const IDLE = `server web/n/4 10.0.1.4 mark 256 local rr
  10.0.1.5 0
  10.0.1.6 0
address 10.0.1.4 lo`;
const EDGES = `snat 10.0.1.0/24 to 10.0.1.3
redirect 10.0.0.4 tcp 8080 to 80
published tcp 8080 to 172.18.0.2 8080 over gw`;

const UNRELEASED = { revision: 2, released: 1 };
const RELEASED = { revision: 2, released: 2 };

function staged(actual: string, desired: string, permit: Permit, over: readonly string[], before: Left = NOTHING_LEFT) {
  const wanted = parseState(desired);
  const leaving = leavingFrom(parseState(actual), wanted, before, permit);
  const drained = new Set(leaving.draining.map(({ task }) => task).filter(({ address }) => over.includes(address)));
  const { state, left } = stage(wanted, leaving, drained);
  return {
    next: stateText(state),
    asked: leaving.draining.map(({ task }) => task.address),
    left: [...left.since].map(([name, revision]) => `${name} since ${revision}`),
    state,
    wanted,
  };
}

const lines = (text: string): string => stateText(parseState(text));

describe("names were not changed yet", () => {
  test.each([
    ["a task gets nothing new", TWO, ONE, DRAINING, ["task web/n/4 10.0.1.5 since 2"]],
    [
      "nothing leaves in another order",
      TWO,
      "server web/n/4 10.0.1.4 mark 256 local rr\n 10.0.1.6 1\n 10.0.1.5 1\n address 10.0.1.4 lo",
      TWO,
      [],
    ],
    [
      "a range of ports goes at once where another one has some of them, a range that is alone stays",
      "published tcp 8000-8010 to 10.0.0.2 8000 over gw\n published udp 8000-8010 to 10.0.0.2 8000 over gw",
      "published tcp 7990-8005 to 10.0.0.2 7990 over gw",
      "published tcp 7990-8005 to 10.0.0.2 7990 over gw\n published udp 8000-8010 to 10.0.0.2 8000 over gw",
      ["published udp 8000 4 since 2"],
    ],
    [
      "a service stays as it is, with its address",
      TWO,
      "",
      TWO,
      ["server web/n/4 since 2", "address 10.0.1.4 lo since 2"],
    ],
    [
      "everything else stays",
      EDGES,
      "",
      EDGES,
      ["snat 10.0.1.0/24 since 2", "redirect 10.0.0.4 tcp 8080 since 2", "published tcp 8080 4 since 2"],
    ],
    [
      "but for a server whose mark another one has by now",
      TWO,
      "server api/n/4 10.0.1.8 mark 256 local rr\n 10.0.1.9 1",
      "server api/n/4 10.0.1.8 mark 256 local rr\n 10.0.1.9 1\n address 10.0.1.4 lo",
      ["address 10.0.1.4 lo since 2"],
    ],
  ])("%s", (_, actual, desired, next, left) => {
    const found = staged(actual, desired, UNRELEASED, ["10.0.1.5", "10.0.1.6"]);
    expect([found.next, found.asked, found.left]).toEqual([lines(next), [], left]);
  });
});

describe("names were changed", () => {
  test.each([
    ["a task drains", TWO, ONE, [], DRAINING, ["10.0.1.5"], ["task web/n/4 10.0.1.5 since 2"]],
    ["a task that is drained goes", DRAINING, ONE, ["10.0.1.5"], ONE, ["10.0.1.5"], []],
    [
      "a service drains, with its address",
      TWO,
      "",
      [],
      IDLE,
      ["10.0.1.5", "10.0.1.6"],
      ["server web/n/4 since 2", "address 10.0.1.4 lo since 2"],
    ],
    [
      "a service of which one task is drained keeps the other",
      IDLE,
      "",
      ["10.0.1.5"],
      "server web/n/4 10.0.1.4 mark 256 local rr\n 10.0.1.6 0\n address 10.0.1.4 lo",
      ["10.0.1.5", "10.0.1.6"],
      ["server web/n/4 since 2", "address 10.0.1.4 lo since 2"],
    ],
    [
      "a service that is drained goes with its address",
      IDLE,
      "",
      ["10.0.1.5", "10.0.1.6"],
      "",
      ["10.0.1.5", "10.0.1.6"],
      [],
    ],
    ["everything else goes at once", EDGES, "", [], "", [], []],
    [
      "but source rewriting as long as a service drains",
      `${TWO}\n${EDGES}`,
      "",
      [],
      `${IDLE}\nsnat 10.0.1.0/24 to 10.0.1.3`,
      ["10.0.1.5", "10.0.1.6"],
      ["server web/n/4 since 2", "address 10.0.1.4 lo since 2", "snat 10.0.1.0/24 since 2"],
    ],
  ])("%s", (_, actual, desired, over, next, asked, left) => {
    const found = staged(actual, desired, RELEASED, over);
    expect([found.next, found.asked, found.left]).toEqual([lines(next), asked, left]);
  });
});

test("what left an earlier plan may go before what leaves this one", () => {
  const before: Left = { since: new Map([["task web/n/4 10.0.1.5", 1]]), drains: new Map() };
  const found = staged(TWO, "server web/n/4 10.0.1.4 mark 256 local rr\n address 10.0.1.4 lo", UNRELEASED, [], before);
  expect(found.asked).toEqual(["10.0.1.5"]);
  expect(found.left).toEqual(["task web/n/4 10.0.1.5 since 1", "task web/n/4 10.0.1.6 since 2"]);
});

test("what is wanted again is not leaving any more", () => {
  const before: Left = { since: new Map([["task web/n/4 10.0.1.5", 1]]), drains: new Map() };
  expect(staged(DRAINING, TWO, RELEASED, [], before)).toMatchObject({ next: lines(TWO), asked: [], left: [] });
});

test("where nothing leaves, the plan's own lists are what comes next", () => {
  const { state, wanted } = staged(ONE, TWO, RELEASED, []);
  for (const kind of ["servers", "addresses", "snats", "redirects", "published"] as const)
    expect(state[kind]).toBe(wanted[kind]);
});

test("nor are servers that lose nothing copied, or tasks that get nothing already", () => {
  const api = "server api/n/4 10.0.1.8 mark 257 local rr\n 10.0.1.9 1\n";
  const { state, wanted } = staged(api + TWO, api + ONE, UNRELEASED, []);
  expect(state.servers[0]).toBe(wanted.servers[0]);
  const [there, desired] = [parseState(DRAINING), parseState(ONE)];
  const next = stage(desired, leavingFrom(there, desired, NOTHING_LEFT, UNRELEASED), new Set()).state;
  expect(next.servers[0]?.destinations[1]).toBe(there.servers[0]?.destinations[0]);
});

describe("how long the tasks of a service that leaves have", () => {
  const SERVER = "server web/n/4 10.0.1.4 mark 256 local rr";
  test.each<[string, string, number | undefined, number | undefined]>([
    ["as the plan said", `${SERVER} drain 5`, undefined, 5],
    ["as it said once: the kernel doesn't know", SERVER, 5, 5],
    ["as it said last", `${SERVER} drain 5`, 7, 5],
    ["nobody said so", SERVER, undefined, undefined],
  ])("%s", (_, server, remembered, expected) => {
    const actual = parseState(`${server}\n 10.0.1.5 1`);
    const drains = new Map(remembered === undefined ? [] : [["web/n/4", remembered]]);
    const leaving = leavingFrom(actual, parseState(""), { since: new Map(), drains }, RELEASED);
    expect(leaving.draining.map((task) => task.server.drain)).toEqual([expected]);
    expect([...leaving.left.drains]).toEqual(expected === undefined ? [] : [["web/n/4", expected]]);
    expect(leaving.servers[0]).toEqual({ ...actual.servers[0], ...(expected !== undefined && { drain: expected }) });
    // The very same object where nothing had to be remembered.
    expect(leaving.servers[0] === actual.servers[0]).toBe(actual.servers[0]?.drain === expected);
  });
});
