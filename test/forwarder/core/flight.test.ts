/** Whom a question is asked of next, as tables: what was tried, and which server follows. */
import { describe, expect, test } from "vitest";
import {
  type Flight,
  isPending,
  repeatableServer,
  silentTries,
  type Try,
  untriedServer,
  wentByTcp,
  wentPlain,
} from "../../../src/forwarder/core/flight.ts";
import { Server } from "../../../src/forwarder/core/upstream-health.ts";

/** Of three servers "1 waiting, 2 failed tcp, 1 rejected plain": tries in the order they were made; `down`: servers that are. */
function flight(text: string, down: readonly number[] = []): Flight {
  const servers = [1, 2, 3].map((n) => new Server(`192.0.2.${n}`, 53));
  for (const n of down) servers[n - 1]!.downUntil = 100;
  const tries = (text === "" ? [] : text.split(", ")).map((one) => {
    const [server, state, ...how] = one.split(" ");
    const lane = { kind: how.includes("tcp") ? "tcp" : "udp" };
    return { server: servers[Number(server) - 1], state, lane, plain: how.includes("plain") } as unknown as Try;
  });
  return { tries, group: { servers, prefix: "" } } as unknown as Flight;
}
const number = (server: Server | undefined): number | undefined => server && Number(server.address.slice(-1));

describe("the next server that was not asked yet", () => {
  test.each<[string, string, number[], boolean, number | undefined]>([
    ["the first one", "", [], true, 1],
    ["in configured order", "1 waiting", [], true, 2],
    ["whatever came of the others", "1 rejected, 2 failed", [], true, 3],
    ["none is left", "1 waiting, 2 failed, 3 rejected", [], true, undefined],
    ["one that is down comes last", "", [1], true, 2],
    ["but before none", "2 waiting, 3 waiting", [1], true, 1],
    ["of those that are down the first", "", [1, 2, 3], true, 1],
    ["unless only healthy ones count", "2 waiting, 3 waiting", [1], false, undefined],
  ])("%s: after %j with %j down", (_name, text, down, any, expected) => {
    expect(number(untriedServer(flight(text, down), 99, any))).toBe(expected);
  });

  test("down is over at its time", () => {
    expect(number(untriedServer(flight("", [1]), 100, false))).toBe(1);
  });
});

describe("the server to ask once more", () => {
  test.each<[string, string, number | undefined]>([
    ["one that is silent", "1 waiting", 1],
    ["the one asked least", "1 waiting, 2 waiting, 1 waiting", 2],
    ["of those the first", "2 waiting, 1 waiting", 1],
    ["never one that was not asked at all", "2 waiting", 2],
    ["three times at the most", "1 waiting, 1 waiting, 1 waiting", undefined],
    ["twice is not three times", "1 waiting, 1 waiting", 1],
    ["not one that answered", "1 rejected, 2 waiting, 2 waiting", 2],
    ["nor with a truncated answer", "1 truncated", undefined],
    ["nor one that leads back to us", "1 looping", undefined],
    ["nor one that answered one of two tries", "1 waiting, 1 rejected", undefined],
    ["one whose socket failed, once", "1 failed", 1],
    ["not if it failed twice", "1 failed, 1 failed", undefined],
    ["two servers' sockets failed, one of them twice", "1 failed, 2 failed, 1 failed", 2],
    ["one with replies that may be forged", "1 doubted, 1 doubted", 1],
    ["nobody was asked", "", undefined],
  ])("%s: after %j", (_name, text, expected) => expect(number(repeatableServer(flight(text)))).toBe(expected));
});

test.each<[string, boolean]>([
  ["", false],
  ["1 waiting", true],
  ["1 failed, 2 waiting", true],
  ["1 failed, 2 doubted, 3 rejected, 1 truncated, 2 looping", false],
])("somebody may still answer: after %j: %s", (text, expected) => expect(isPending(flight(text))).toBe(expected));

test.each<[string, boolean, boolean, number]>([
  ["", false, false, 0],
  ["1 waiting", false, false, 1],
  ["1 waiting, 1 failed, 1 waiting, 2 waiting", false, false, 2],
  ["1 failed tcp", true, false, 0],
  ["2 waiting tcp, 1 waiting", false, false, 1],
  ["1 waiting plain", false, true, 1],
  ["2 waiting plain, 1 rejected", false, false, 0],
  ["2 waiting tcp plain, 1 doubted", false, false, 0],
])("after %j the first went by TCP: %s, went plain: %s, was silent %i times", (text, tcp, plain, silent) => {
  const asked = flight(text);
  const [server] = asked.group.servers as [Server];
  expect([wentByTcp(asked, server), wentPlain(asked, server), silentTries(asked, server)]).toEqual([
    tcp,
    plain,
    silent,
  ]);
});
