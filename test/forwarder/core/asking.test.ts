/** How servers are asked: what goes out, over what, and when the next is due. The lanes only write down what is sent. */
import { describe, expect, test } from "vitest";
import { Asking } from "../../../src/forwarder/core/asking.ts";
import { noCounts } from "../../../src/forwarder/core/counters.ts";
import type { LaneKind } from "../../../src/forwarder/core/exchange.ts";
import type { Flight, Try } from "../../../src/forwarder/core/flight.ts";
import type { Lanes } from "../../../src/forwarder/core/lanes.ts";
import { Probes } from "../../../src/forwarder/core/probes.ts";
import { Server } from "../../../src/forwarder/core/upstream-health.ts";
import { hex } from "../../support/text.ts";

const QUERY = hex("0000 0100 0001 0000 0000 0001 04 70656572 00 0001 0001 00 0029 04d0 00 00 0000 0000");
const NEVER = Number.POSITIVE_INFINITY;

/** Of so many servers, "1 waiting, 2 failed tcp, 1 rejected plain" were asked. */
function world(text: string, given: Partial<Flight> = {}, count = 2) {
  const servers = Array.from({ length: count }, (_, i) => new Server(`192.0.2.${i + 1}`, 53));
  const tries = (text === "" ? [] : text.split(", ")).map((one) => {
    const [server, state, ...how] = one.split(" ");
    const lane = { kind: how.includes("tcp") ? "tcp" : "udp" };
    return { server: servers[Number(server) - 1], state, lane, plain: how.includes("plain"), query: QUERY, probe: "" };
  }) as unknown as Try[];
  const request = { questionEnd: 22 };
  const flight = {
    tries,
    group: { servers, prefix: "" },
    request,
    query: QUERY,
    nextTryAt: NEVER,
    retransmissions: 0,
    breaks: 0,
    broken: undefined,
    ...given,
  } as unknown as Flight;
  const sent: string[] = [];
  const lanes = {
    send: (attempt: Try, kind: LaneKind, _now: number, alone = false) => {
      const what = attempt.flight === undefined ? "probe" : attempt.plain ? "plain" : "";
      attempt.lane = { kind } as Try["lane"];
      sent.push([attempt.server.address.slice(-1), kind, alone ? "alone" : "", what].filter((w) => w !== "").join(" "));
    },
  };
  const asking = new Asking(lanes as unknown as Lanes, new Probes(() => 7), noCounts());
  return { asking, flight, servers, sent };
}

describe("a connection that broke off", () => {
  test.each<[string, number, boolean, string[], number, boolean]>([
    ["had served others: a new one at once", 0, true, ["1 tcp alone"], 1_000, false],
    ["three times", 2, true, ["1 tcp alone"], 1_000, false],
    ["not a fourth time: after a pause", 3, true, [], 800, true],
    ["had served nobody: after a pause", 0, false, [], 100, true],
    ["a longer one each time", 1, false, [], 200, true],
    ["the sixth", 5, false, [], 3_200, true],
    ["is the longest", 9, false, [], 3_200, true],
  ])("%s (%i before)", (_name, breaks, served, expected, due, waits) => {
    const { asking, flight, servers, sent } = world("1 failed tcp", { breaks }, 1);
    asking.reconnect(flight, servers[0]!, served, 0);
    expect([sent, flight.breaks, flight.nextTryAt]).toEqual([expected, breaks + 1, due]);
    expect(flight.broken).toBe(waits ? servers[0] : undefined);
  });

  test("another server first, which has its own time", () => {
    const { asking, flight, servers, sent } = world("1 failed tcp");
    asking.reconnect(flight, servers[0]!, false, 0);
    expect([sent, flight.broken, flight.nextTryAt]).toEqual([["2 udp"], servers[0], 100]);
    const late = world("1 failed tcp", { breaks: 4 });
    late.asking.reconnect(late.flight, late.servers[0]!, false, 0);
    expect([late.sent, late.flight.nextTryAt]).toEqual([["2 udp"], 1_000]); // the other is asked again before that
  });

  test.each<[string, string, number]>([
    ["nobody is waited for: what was due before is not", "1 failed tcp, 2 rejected", 100],
    ["somebody is: what is due sooner stays", "1 failed tcp, 2 waiting", 40],
  ])("%s", (_name, text, due) => {
    const { asking, flight, servers } = world(text, { nextTryAt: 40 });
    asking.reconnect(flight, servers[0]!, false, 0);
    expect(flight.nextTryAt).toBe(due);
  });
});

describe("the next one", () => {
  test.each<[string, string, Partial<Flight>, string[], boolean, number]>([
    ["is one that was not asked", "1 rejected", {}, ["2 udp"], true, 1_000],
    ["none: those asked are waited for", "1 rejected, 2 waiting", { nextTryAt: 500 }, [], true, 500],
    ["none, and nobody answers any more", "1 rejected, 2 rejected", { nextTryAt: 500 }, [], false, 500],
    ["one whose socket failed, soon", "1 rejected, 2 failed", { nextTryAt: 500 }, [], true, 100],
    ["what is due sooner stays so", "1 rejected, 2 failed", { nextTryAt: 50 }, [], true, 50],
  ])("%s", (_name, text, given, expected, goesOn, due) => {
    const { asking, flight, sent } = world(text, given);
    expect([asking.next(flight, 0), sent, flight.nextTryAt]).toEqual([goesOn, expected, due]);
  });

  test("one that is down, if there is no other", () => {
    const { asking, flight, servers, sent } = world("1 rejected");
    servers[1]!.downUntil = 100;
    expect([asking.next(flight, 0), sent]).toEqual([true, ["2 udp"]]);
    const broken = world("1 failed tcp");
    broken.servers[1]!.downUntil = 100;
    broken.asking.reconnect(broken.flight, broken.servers[0]!, false, 0);
    expect(broken.sent).toEqual(["2 udp"]);
  });

  test("a connection that is to be made again is waited for", () => {
    const { asking, flight, servers } = world("1 failed tcp, 1 failed tcp, 2 rejected", { nextTryAt: 500 });
    flight.broken = servers[0];
    expect([asking.next(flight, 0), flight.nextTryAt]).toEqual([true, 500]);
  });
});

describe("those asked are slow", () => {
  test.each<[string, string, Partial<Flight>, string[], number]>([
    ["another one", "1 waiting", {}, ["2 udp"], 1_000],
    ["the one asked least, and twice the patience", "1 waiting, 2 waiting", { retransmissions: 1 }, ["1 udp"], 4_000],
    ["the third time without OPT record", "1 waiting, 1 waiting, 2 rejected", {}, ["1 udp plain"], 2_000],
    ["nobody is left", "1 rejected, 2 truncated", { nextTryAt: 5 }, [], NEVER],
  ])("%s", (_name, text, given, expected, due) => {
    const { asking, flight, sent } = world(text, given);
    asking.more(flight, 0);
    expect([sent, flight.nextTryAt]).toEqual([expected, due]);
  });

  test("a connection that broke off is made again before anyone is asked twice, and once", () => {
    const { asking, flight, servers, sent } = world("1 waiting, 2 failed tcp");
    flight.broken = servers[1];
    asking.more(flight, 0);
    expect([sent, flight.broken]).toEqual([["2 tcp alone"], undefined]);
  });

  test("somebody asked the same meanwhile: it may be a loop", () => {
    const { asking, flight, sent } = world("1 waiting, 2 waiting", { askedAgain: true });
    asking.more(flight, 0);
    expect(sent).toEqual(["1 udp", "1 udp probe", "2 udp probe", "1 udp probe"]);
  });
});

describe("once only", () => {
  test.each<[string, string, string[]]>([
    ["over TCP", "1 truncated", ["1 tcp"]],
    ["it went over TCP", "1 truncated, 1 failed tcp", []],
    ["another did", "1 truncated, 2 failed tcp", ["1 tcp"]],
  ])("%s", (_name, text, expected) => {
    const { asking, flight, servers, sent } = world(text);
    expect([asking.overTcp(flight, servers[0]!, 0), sent]).toEqual([expected.length > 0, expected]);
  });

  test.each<[string, string, string[]]>([
    ["without OPT record", "1 rejected", ["1 udp plain"]],
    ["over TCP where it was", "1 rejected tcp", ["1 tcp plain"]],
    ["it went without", "1 rejected, 1 rejected plain", []],
  ])("%s", (_name, text, expected) => {
    const { asking, flight, sent } = world(text);
    expect([asking.plain(flight, flight.tries[0]!, 0), sent]).toEqual([expected.length > 0, expected]);
  });

  test("a probe for each try that is waited for", () => {
    const { asking, flight, sent } = world("1 waiting, 1 failed, 2 waiting, 2 rejected");
    asking.suspect(flight, 0);
    asking.suspect(flight, 0);
    expect(sent).toEqual(["1 udp probe", "2 udp probe"]);
  });
});

test.each<[string, LaneKind, number]>([
  ["by its speed, if another can be asked", "udp", 250],
  ["twice that over TCP", "tcp", 500],
])("how long a server is waited for: %s", (_name, kind, due) => {
  const { asking, flight, servers } = world("", {});
  if (kind === "udp") asking.next(flight, 0);
  else asking.overTcp(flight, servers[0]!, 0);
  expect(flight.nextTryAt).toBe(due);
  const alone = world("", {}, 1);
  if (kind === "udp") alone.asking.next(alone.flight, 0);
  else alone.asking.overTcp(alone.flight, alone.servers[0]!, 0);
  expect(alone.flight.nextTryAt).toBe(1_000);
});
