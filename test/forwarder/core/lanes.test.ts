/** Which socket a question takes towards its server, and how long a socket lives (RFC 5452 sections 9 and 10, RFC 7766). */
import { describe, expect, test } from "vitest";
import type { LaneKind } from "../../../src/forwarder/core/exchange.ts";
import type { Flight, Lane, Try } from "../../../src/forwarder/core/flight.ts";
import { Lanes } from "../../../src/forwarder/core/lanes.ts";
import { Server } from "../../../src/forwarder/core/upstream-health.ts";

const QUERY = Uint8Array.from({ length: 28 });

/** Lanes on a network that only writes down what it is told. `draw`: what `random` gives, the last one for ever. */
function world({ draw = [0], maxInFlight = 1024 } = {}) {
  const said: string[] = [];
  const packets: Uint8Array[] = [];
  const lanes = new Lanes(
    {
      open: (lane, kind, address, port, netns) =>
        void said.push(`open ${lane} ${kind} ${address}:${port}${netns === undefined ? "" : ` in ${netns}`}`),
      send: (lane, packet) => {
        said.push(`send ${lane} ${packet[0]! * 256 + packet[1]!}`);
        packets.push(packet);
      },
      close: (lane) => void said.push(`close ${lane}`),
    },
    () => (draw.length > 1 ? draw.shift()! : draw[0]!),
    4_000,
    maxInFlight,
  );
  const one = new Server("192.0.2.1", 53);
  const send = (kind: LaneKind, now = 0, { server = one, alone = false, tries = 1 } = {}): Try => {
    const flight = { tries: Array.from({ length: tries }) } as unknown as Flight;
    const attempt = { flight, query: QUERY, server, sentAt: now, plain: false, overdue: false } as unknown as Try;
    lanes.send(attempt, kind, now, alone);
    return attempt;
  };
  const many = (count: number, kind: LaneKind, now = 0, how = {}) =>
    Array.from({ length: count }, () => send(kind, now, how));
  const sweep = (now: number): string => {
    let late = 0;
    lanes.sweep(now, () => late++);
    return `${late} late`;
  };
  /** What the network was told since this was asked last. */
  const told = (what = /./) => said.splice(0).filter((line) => what.test(line));
  const numbers = (tries: readonly Try[]) => tries.map(({ lane }) => lane.number);
  return { lanes, one, send, many, sweep, told, numbers, packets };
}

describe("a question over UDP", () => {
  test("opens a socket towards its server, where that is, and goes out under an id of its own", () => {
    const { send, told } = world({ draw: [7, 0xffff] });
    const there = { server: new Server("fd00::1", 5353, "/run/netns/a") };
    send("udp", 0, there);
    send("udp", 0, there);
    expect(told()).toEqual([
      "open 1 udp fd00::1:5353 in /run/netns/a",
      "send 1 7",
      "open 2 udp fd00::1:5353 in /run/netns/a",
      "send 2 65535",
    ]);
  });

  test("takes one of eight ports, by chance, once there are so many", () => {
    const { many, send, numbers } = world({ draw: [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 15, 0, 8, 0] });
    expect(numbers(many(8, "udp"))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(numbers([send("udp"), send("udp"), send("udp")])).toEqual([4, 8, 1]);
  });

  test("shares no port with another server's", () => {
    const { send, numbers } = world();
    const other = { server: new Server("192.0.2.2", 53) };
    expect(numbers([send("udp"), send("udp", 0, other), send("udp")])).toEqual([1, 2, 3]);
  });

  test("never has an id that is waited for there; behind the last comes the first", () => {
    const { many } = world({ draw: [...Array(8).fill(0xfffe), 0, 0xfffe, 0, 0xfffe, 0, 0xfffe] });
    expect(many(11, "udp").map(({ lane, id }) => `${lane.number}/${id}`)).toEqual([
      ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `${n}/65534`),
      "1/65535",
      "1/0",
      "1/1",
    ]);
  });

  test.each([
    ["is sent as it is, if it was sent to nobody else", 1, true],
    ["is copied, if others have it, too", 2, false],
  ])("%s", (_name, tries, itself) => {
    const { send, packets } = world();
    send("udp", 0, { tries });
    expect(packets[0] === QUERY).toBe(itself);
  });
});

describe("a port", () => {
  test("takes 512 questions; it stays until they are answered", () => {
    const { many, send, lanes, told } = world();
    const first = many(519, "udp").filter(({ lane }) => lane.number === 1); // 8, then always the first one of them
    expect(first.length).toBe(512);
    told();
    expect(send("udp").lane.number).toBe(9);
    for (const attempt of first.slice(1)) lanes.settle(attempt);
    expect([told(/close/), lanes.get(1)?.waiting.size]).toEqual([[], 1]);
    lanes.settle(first[0]!);
    expect([told(), lanes.get(1)]).toEqual([["close 1"], undefined]);
  });

  test("one less, and it takes another", () => {
    const { many, send } = world();
    many(518, "udp");
    expect(send("udp").lane.number).toBe(1);
  });

  test.each([
    ["under ten seconds old takes more", 10_999, false, [], 1],
    ["ten seconds old is left, however lately it was used", 11_000, false, [1, 2, 3, 4, 5, 6, 7, 8], 9],
    ["ten seconds old waits for its last answer", 11_000, true, [2, 3, 4, 5, 6, 7, 8], 9],
  ])("%s", (_name, now, waiting, closed, next) => {
    const { many, send, lanes, sweep, told } = world();
    for (const attempt of many(8, "udp", 1_000)) lanes.settle(attempt);
    const late = send("udp", 10_000);
    expect(late.lane.number).toBe(1);
    if (!waiting) lanes.settle(late);
    told();
    sweep(now);
    expect(told()).toEqual(closed.map((n) => `close ${n}`));
    expect(send("udp", now).lane.number).toBe(next);
    lanes.settle(late);
    expect(told(/close/)).toEqual(waiting ? ["close 1"] : []);
  });

  test("64 of one server at the most are open: the oldest that takes no more questions goes, answered or not", () => {
    const { many, lanes, one, told } = world();
    const other = many(1, "udp", 0, { server: new Server("192.0.2.2", 53) })[0]!;
    lanes.retire(other.lane);
    const open = many(64, "udp").map(({ lane }) => lane); // eight: the others share them
    expect(new Set(open).size).toBe(8);
    for (let n = 8; n < 64; n++) {
      lanes.retire(many(1, "udp")[0]!.lane);
      const { lane } = many(1, "udp")[0]!;
      expect(lane.server).toBe(one);
    }
    expect(told(/close/)).toEqual([]);
    const oldest = open.find((lane) => lane.retired)!;
    lanes.retire(many(1, "udp")[0]!.lane);
    many(1, "udp");
    expect(told(/close/)).toEqual([`close ${oldest.number}`]);
    expect([oldest.waiting.size, lanes.get(other.lane.number)]).toEqual([0, other.lane]);
  });

  test("those that were closed are not counted", () => {
    const { send, many, lanes, told } = world();
    for (let n = 0; n < 70; n++) lanes.close(send("udp").lane);
    lanes.retire(send("udp").lane);
    told();
    many(8, "udp");
    expect(told(/close/)).toEqual([]);
  });

  test("more than 64 where more questions may be in flight: one in 64 of them", () => {
    const { many, lanes, told } = world({ maxInFlight: 4_161 });
    const retireOne = () => lanes.retire(many(1, "udp")[0]!.lane);
    for (let n = 0; n < 66; n++) retireOne();
    expect(told(/close/)).toEqual([]);
    retireOne();
    expect(told(/close/)).toEqual(["close 1"]);
  });
});

describe("a question over TCP", () => {
  test("shares the connection; another server's has its own", () => {
    const { many, send, told, numbers } = world();
    expect(numbers(many(3, "tcp"))).toEqual([1, 1, 1]);
    expect(send("tcp", 0, { server: new Server("192.0.2.2", 53) }).lane.number).toBe(2);
    expect(told(/open/)).toEqual(["open 1 tcp 192.0.2.1:53", "open 2 tcp 192.0.2.2:53"]);
  });

  test("has one of its own if it is to be alone, which ends with its answer", () => {
    const { send, lanes, told, numbers } = world();
    const own = send("tcp", 0, { alone: true });
    expect(numbers([own, send("tcp"), send("tcp")])).toEqual([1, 2, 2]);
    told();
    lanes.settle(own);
    expect(told()).toEqual(["close 1"]);
  });

  test.each<[string, LaneKind[], number]>([
    ["sixteen to a server: there is room for one that all share", [], 15],
    ["which may be there before", ["tcp"], 15],
    ["ports are none of them", ["udp", "udp"], 15],
  ])("%s", (_name, before, alone) => {
    const { many, send } = world();
    for (const kind of before) send(kind);
    const used = many(20, "tcp", 0, { alone: true }).map(({ lane }) => lane);
    expect(new Set(used).size).toBe(16);
    expect(used.slice(0, alone).every(({ uses }) => uses === 1)).toBe(true);
    expect(new Set(used.slice(alone)).size).toBe(1);
  });

  test("a port leaves no place to a connection, nor the other way round", () => {
    const { many, send, lanes, numbers } = world();
    const ports = many(8, "udp");
    lanes.close(ports[0]!.lane);
    const used = many(20, "tcp", 0, { alone: true }).map(({ lane }) => lane);
    expect(new Set(used).size).toBe(16);
    expect(numbers([send("udp"), send("udp")])).toEqual([25, 2]); // in place of the one that was closed, then one of eight
  });

  test("a connection that ended leaves its place to another", () => {
    const { many, send, lanes } = world();
    const own = many(15, "tcp", 0, { alone: true });
    send("tcp");
    lanes.close(own[0]!.lane);
    expect(send("tcp", 0, { alone: true }).lane.uses).toBe(1);
    expect(send("tcp", 0, { alone: true }).lane.uses).toBe(2);
  });
});

describe("a connection", () => {
  test.each([
    ["that was used under three seconds ago stays", 2_999, false, []],
    ["idle for three seconds: closed", 3_000, false, ["close 1"]],
    ["that an answer is awaited on stays", 3_000, true, []],
  ])("%s", (_name, idle, waiting, closed) => {
    const { send, lanes, sweep, told } = world();
    const attempt = send("tcp", 1_000);
    lanes.settle(send("tcp", 2_000));
    if (!waiting) lanes.settle(attempt);
    told();
    sweep(2_000 + idle - (waiting ? 2_000 : 0));
    expect(told()).toEqual(closed);
  });

  test("older than any port, as long as it is used", () => {
    const { send, lanes, sweep, told } = world();
    lanes.settle(send("tcp"));
    lanes.settle(send("tcp", 11_000));
    sweep(11_500);
    expect(told(/close/)).toEqual([]);
    expect(send("tcp", 11_500).lane.number).toBe(1);
  });

  test("where a question is not answered for a second and a half, the next takes another one", () => {
    const { send, sweep } = world();
    const attempt = send("tcp");
    expect([sweep(1_499), send("tcp", 1_499).lane]).toEqual(["0 late", attempt.lane]);
    expect([sweep(1_500), send("tcp", 1_500).lane === attempt.lane]).toEqual(["1 late", false]);
  });

  test("a port goes on all the same", () => {
    const { many, send, sweep } = world();
    const [first] = many(8, "udp");
    expect([sweep(1_500), send("udp", 1_500).lane]).toEqual(["8 late", first!.lane]);
  });
});

describe("questions that nobody answers", () => {
  test("are late once, at a second and a half, and forgotten after four seconds", () => {
    const { send, lanes, sweep } = world();
    const { lane } = send("udp");
    const seen = [1_499, 1_500, 2_000, 3_999, 4_000].map((now) => `${sweep(now)}, ${lane.waiting.size} out`);
    expect(seen).toEqual(["0 late, 1 out", "1 late, 1 out", "0 late, 1 out", "0 late, 1 out", "0 late, 0 out"]);
    expect(lanes.get(lane.number)).toBe(lane); // the port stays
  });

  test("younger ones of the same port are not", () => {
    const { many, send, sweep } = world();
    const { lane } = many(8, "udp")[0]!;
    expect(send("udp", 2_500).lane).toBe(lane);
    expect([sweep(3_999), lane.waiting.size]).toEqual(["8 late", 2]);
    expect([sweep(4_000), lane.waiting.size]).toEqual(["1 late", 1]);
  });
});

describe("it is looked after them", () => {
  test("half a second after the first question, and each half a second as long as anything is open", () => {
    const { send, lanes, sweep } = world();
    expect(lanes.sweepAt).toBe(Number.POSITIVE_INFINITY);
    const first = send("udp", 1_000);
    expect(lanes.sweepAt).toBe(1_500);
    send("udp", 1_200);
    expect(lanes.sweepAt).toBe(1_500);
    sweep(1_510);
    expect(lanes.sweepAt).toBe(2_010);
    sweep(9_000);
    lanes.settle(first);
    sweep(11_200);
    expect(lanes.sweepAt).toBe(Number.POSITIVE_INFINITY);
  });

  test("not any more when all are closed", () => {
    const { many, send, lanes, told } = world();
    many(2, "udp");
    send("tcp");
    told();
    lanes.closeAll();
    expect([told(), lanes.sweepAt, lanes.get(1)]).toEqual([
      ["close 1", "close 2", "close 3"],
      Number.POSITIVE_INFINITY,
      undefined,
    ]);
  });
});

describe("what is told twice", () => {
  test("an answer", () => {
    const { send, lanes, told } = world();
    const attempt = send("udp");
    lanes.settle(attempt);
    const { lane } = attempt;
    const next = { ...attempt };
    lane.waiting.set(attempt.id, next);
    lane.retired = true;
    told();
    lanes.settle(attempt); // that id is another question's by now
    expect([lane.waiting.get(attempt.id), told()]).toEqual([next, []]);
  });

  test("an end", () => {
    const { many, lanes, told } = world();
    const [one] = many(2, "udp").map(({ lane }) => lane) as [Lane, Lane];
    lanes.close(one);
    lanes.close(one);
    lanes.retire(one);
    expect(told(/close/)).toEqual(["close 1"]);
    expect(one.waiting.size).toBe(0);
  });
});

test.each([
  ["udp", 16],
  ["tcp", 8],
] as const)("over %s, %i messages that answer nothing are borne, one more is too many", (kind, borne) => {
  const { send, lanes } = world();
  const { lane } = send(kind);
  const seen = Array.from({ length: borne + 1 }, () => lanes.stray(lane));
  expect([seen.indexOf(true), seen.length]).toEqual([borne, borne + 1]);
});
