import { describe, expect, test } from "vitest";
import { Abilities } from "../../../src/forwarder/core/abilities.ts";
import { answered, asked, failed, healthy, hedgeDelay, Server } from "../../../src/forwarder/core/upstream-health.ts";

/** Plays "0 fails, 10 answers 4": at that time, with so many ms of round trip; fails of tries sent at that time, or "since" another. */
function seen(text: string): Server {
  const server = new Server("192.0.2.1", 53);
  for (const step of text === "" ? [] : text.split(", ")) {
    const [at, verb, since] = step.split(" ");
    const now = Number(at);
    if (verb === "asks") asked(server, now);
    else if (verb === "fails") failed(server, now, since === undefined ? now : Number(since));
    else answered(server, now, since === undefined ? undefined : now - Number(since));
  }
  return server;
}

test.each([
  ["192.0.2.1", 53, undefined, "192.0.2.1:53"],
  ["fd00::1", 5353, "/run/netns/a", "[fd00::1]:5353"],
])("%s port %i is called by both", (address, port, netns, name) => {
  expect(new Server(address, port, netns)).toMatchObject({ address, port, netns, name, roundTrip: -1, failures: 0 });
});

describe("a server is asked first unless it is down", () => {
  const twice = "1 fails, 2 fails";
  test.each([
    ["nothing known", "", 0, true],
    ["two failures", twice, 2, true],
    ["the third in a row: down for two seconds", `${twice}, 3 fails`, 2_002, false],
    ["and up", `${twice}, 3 fails`, 2_003, true],
    ["an answer between", `${twice}, 3 answers, 4 fails`, 4, true],
    ["failures while it is down do not count", `${twice}, 3 fails, 4 fails, 5 fails`, 2_003, true],
    ["the next failure: four seconds", `${twice}, 3 fails, 2003 fails`, 6_002, false],
    ["and no more", `${twice}, 3 fails, 2003 fails`, 6_003, true],
    ["an answer ends it", `${twice}, 3 fails, 4 answers`, 4, true],
    ["and the next one is short again", `${twice}, 3 fails, 4 answers, 5 fails, 6 fails, 7 fails`, 2_007, true],
    ["a try sent before the last answer says nothing", "5 answers, 6 fails 1, 7 fails 5, 8 fails 3", 8, true],
    ["nor does one sent as it came", "5 answers, 6 fails 5, 7 fails 5, 8 fails 5", 8, true],
    ["one sent after it does", "5 answers, 6 fails 6, 7 fails 6, 8 fails 6", 8, false],
    ["one at a time tries it again", `${twice}, 3 fails, 3000 asks`, 3_999, false],
    ["for a second", `${twice}, 3 fails, 3000 asks`, 4_000, true],
    ["its answer lets all back", `${twice}, 3 fails, 3000 asks, 3001 answers`, 3_001, true],
    ["nobody is held back without three failures", `${twice}, 3 asks`, 3, true],
  ])("%s", (_name, text, now, expected) => expect(healthy(seen(text), now)).toBe(expected));

  test("never longer than a minute", () => {
    const server = seen("1 fails, 2 fails");
    let now = 3;
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) {
      failed(server, now, now);
      pauses.push(server.downUntil - now);
      now = server.downUntil;
    }
    expect(pauses).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });
});

describe("another server is asked, too, when nearly all answers would be in", () => {
  test.each([
    ["nothing known", "", 250],
    ["answers over TCP tell nothing", "1 answers", 250],
    ["one answer: three times as long", "100 answers 50", 150],
    ["at least 40 ms", "100 answers 1", 40],
    ["at most 400 ms", "900 answers 300", 400],
    ["a mean of what was seen (RFC 6298)", "100 answers 40, 200 answers 80", 145], // 20 + (40 - 20) / 4 = 25; 40 + 40 / 8 = 45
    ["an answer at once is an answer", "100 answers 0", 40],
    ["also when it gets faster", "100 answers 80, 200 answers 40", 235], // 40; 80 - 40 / 8 = 75
    ["no time at all is a time", "100 answers 0, 200 answers 40", 45], // 10; 5
  ])("%s", (_name, text, expected) => expect(hedgeDelay(seen(text))).toBe(expected));
});

describe("what a server was seen to be able to do", () => {
  test("a name in another case is believed over TCP, and the third time over UDP", () => {
    const server = new Abilities();
    const told = (["udp", "udp", "udp", "udp"] as const).map((kind) => server.believesRespelled(kind));
    expect(told).toEqual([false, false, true, true]);
    expect(new Abilities().believesRespelled("tcp")).toBe(true);
  });

  test("one that repeated capitals is not believed over UDP, until TCP settles it", () => {
    const server = new Abilities();
    server.believesRespelled("udp");
    expect(server.keepsCase).toBe(false);
    server.keptCase();
    expect(server.keepsCase).toBe(true);
    expect([1, 2, 3, 4].map(() => server.believesRespelled("udp"))).toEqual([false, false, false, false]);
    expect(server.believesRespelled("tcp")).toBe(true);
    expect(server.keepsCase).toBe(false);
    expect(server.believesRespelled("udp")).toBe(true);
    server.keptCase();
    expect(server.believesRespelled("udp")).toBe(false);
  });

  test("replies in another case are counted one after the other", () => {
    const server = new Abilities();
    server.believesRespelled("udp");
    server.believesRespelled("udp");
    server.keptCase();
    server.believesRespelled("tcp"); // keeps no case after all
    server.keptCase();
    expect(server.believesRespelled("udp")).toBe(false);
  });

  test.each<[string, boolean, boolean, boolean]>([
    ["silent, never seen to know OPT", true, false, true],
    ["silent, but it knows OPT", true, true, false],
    ["it said so", false, false, true],
    ["it said so, though it knew", false, true, true],
  ])("answered without OPT: %s", (_name, silent, knew, plain) => {
    const server = new Abilities();
    expect([server.knowsEdns, server.isPlain(0)]).toEqual([false, false]);
    if (knew) server.knewEdns();
    server.answeredPlain(silent, 1_000);
    expect(server.knowsEdns).toBe(knew);
    expect([server.isPlain(1_000), server.isPlain(600_999), server.isPlain(601_000)]).toEqual([plain, plain, false]);
  });
});
