/** Events: heard in order, gone on with after a break, and never a burden, however slowly somebody reads. */
import { type IncomingMessage, request } from "node:http";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { EventLog } from "../../src/control/event-log.ts";
import { startControl } from "../../src/control/server.ts";
import type { ChangeInput } from "../../src/model/input.ts";
import { ask, served, shown } from "./served.ts";

interface Listening {
  /** "5 change {…}", one an event. */
  readonly events: string[];
  readonly response: IncomingMessage;
  readonly ended: () => boolean;
}

function listen(socketPath: string, since = "", headers: Record<string, string> = {}): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const asked = request({ agent: false, socketPath, path: `/v1/events${since}`, headers });
    onTestFinished(() => void asked.destroy());
    asked.on("error", reject);
    asked.on("response", (response) => {
      const events: string[] = [];
      let [rest, ended] = ["", false];
      response.on("data", (chunk: Buffer) => {
        const parts = (rest + chunk).split("\n\n");
        rest = parts.pop()!;
        for (const part of parts) {
          const found = /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/.exec(part);
          if (found) events.push(found.slice(1).join(" "));
        }
      });
      response.on("error", () => {});
      response.on("close", () => {
        ended = true;
      });
      resolve({ events, response, ended: () => ended });
    });
    asked.end();
  });
}

const net = (name: string): ChangeInput => ({
  kind: "network.put",
  network: { name, subnets: [{ cidr: "10.0.1.0/24" }] },
});
const labelled = (n: number, text = ""): ChangeInput => ({
  kind: "container.put",
  container: { name: "c", labels: { n: `${n}`, text } },
});
const ids = (events: readonly string[]): string => events.map((e) => e.split(" ", 2).join(" ")).join(", ");

test("what happens is heard in order, by all, each with its revision", async () => {
  const { socket, node } = await served();
  const [a, b] = [await listen(socket), await listen(socket)];
  node.apply([net("n")]);
  node.apply([labelled(1)]);
  node.emit("status", { target: "host", revision: 2, state: "equal", leaving: 0 });
  node.emit("problem", "s", new Error("no such namespace"));
  node.emit("problem", "s", undefined);
  node.emit("repaired", "host", 3);
  node.emit("upstream", { address: "127.0.9.1", port: 53, state: "down" });
  await vi.waitFor(() => expect(b.events).toHaveLength(7));
  expect(a.events).toEqual(b.events);
  expect(a.events.slice(1)).toEqual([
    '2 change {"revision":2,"changes":[{"kind":"container.put","container":{"name":"c","state":"running","endpoints":[],"labels":{"n":"1","text":""},"id":"c"}}]}',
    '2 status {"target":"host","revision":2,"state":"equal","leaving":0}',
    '2 problem {"sandbox":"s","problem":"no such namespace"}',
    '2 problem {"sandbox":"s","problem":null}',
    '2 repaired {"target":"host","steps":3}',
    '2 upstream {"address":"127.0.9.1","port":53,"state":"down"}',
  ]);
});

test("whoever comes back hears what came since, by header or by parameter, over a restart of the server, too", async () => {
  const { socket, node, control } = await served();
  node.apply([net("n")]);
  for (let i = 0; i < 4; i++) node.apply([labelled(i)]);
  const [byHeader, byWord] = [await listen(socket, "", { "last-event-id": "3" }), await listen(socket, "?since=3")];
  await vi.waitFor(() =>
    expect([ids(byHeader.events), ids(byWord.events)]).toEqual(Array(2).fill("4 change, 5 change")),
  );
  await control.close();
  await vi.waitFor(() => expect(byHeader.ended()).toBe(true));
  const again = await startControl({ node, socket });
  onTestFinished(() => again.close());
  const back = await listen(socket, "", { "last-event-id": "5" });
  node.apply([labelled(9)]);
  await vi.waitFor(() => expect(ids(back.events)).toBe("6 change"));
  expect(shown(await ask(socket, "GET /v1/events", { "last-event-id": "4" }))).toBe(
    "410 gone: events since revision 4 are not there any more; now it is 6: list again, and go on from there",
  );
  expect(shown(await ask(socket, "GET /v1/events?since=7"))).toMatch(/^410 gone/);
});

describe("one that does not read", () => {
  test("costs nobody anything, is cut off once the log has gone on without it, and the others hear all", async () => {
    const { socket, node } = await served({ events: { entries: 1_000, size: 4 << 20 } });
    node.apply([net("n")]);
    const [slow, quick] = [await listen(socket), await listen(socket)];
    slow.response.pause();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 10_000; i++) {
      await node.write([labelled(i, "x".repeat(1_000))]);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    await vi.waitFor(() => expect(quick.events).toHaveLength(10_000), { timeout: 10_000 });
    expect(quick.events.map((e) => Number.parseInt(e, 10))).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 2));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 << 20);
    slow.response.resume();
    await vi.waitFor(() => expect(slow.ended()).toBe(true));
    expect(slow.events.length).toBeLessThan(2_000);
  });

  test("there are at most 32", async () => {
    const { socket } = await served();
    for (let i = 0; i < 32; i++) await listen(socket);
    expect(shown(await ask(socket, "GET /v1/events"))).toBe("429 busy: 32 clients listen already");
  });
});

test("a change that is larger than the log is heard of by nobody, who list again", async () => {
  const { socket, node } = await served({ events: { entries: 10, size: 1_000 } });
  node.apply([net("n")]);
  const reader = await listen(socket);
  node.apply([labelled(1, "x".repeat(2_000))]);
  await vi.waitFor(() => expect(reader.ended()).toBe(true));
  expect((await ask(socket, "GET /v1/events?since=1")).status).toBe(410);
  const again = await listen(socket, "?since=2");
  node.apply([labelled(2)]);
  await vi.waitFor(() => expect(ids(again.events)).toBe("3 change"));
});

describe("the log", () => {
  const filled = (limits = { entries: 4, size: 10_000 }) => {
    const log = new EventLog(10, limits);
    const add = (text: string) => {
      for (const word of text.split(" "))
        if (/^\d+$/.test(word)) log.add("change", {}, Number(word));
        else log.add("status", { word });
    };
    return { log, add };
  };
  const from = (log: EventLog, revision: number): string | undefined => {
    const place = log.since(revision);
    if (place === undefined) return undefined;
    const texts: string[] = [];
    for (let at = place, text = log.at(at); text !== undefined; text = log.at(++at))
      texts.push(/^id: (\d+)\nevent: (\w)/.exec(text)!.slice(1).join(""));
    return texts.join(" ");
  };

  test.each([
    ["11 12 13", 10, "11c 12c 13c"],
    ["11 12 13", 12, "13c"],
    ["11 12 13", 13, ""],
    ["11 12 13", 14, undefined],
    ["11 12 13", 9, undefined],
    ["11 12 13 14 15", 10, undefined],
    ["11 12 13 14 15", 11, "12c 13c 14c 15c"],
    ["11 a b 12 c", 11, "11s 11s 12c 12s"],
    ["11 a b 12 c", 12, "12s"],
    ["a b 11", 10, "10s 10s 11c"],
    ["11 a b c d e", 11, "11s 11s 11s 11s"],
    ["11 a b c d e", 10, undefined],
  ])("%s, since %i: %s", (text, since, wanted) => {
    const { log, add } = filled();
    add(text);
    expect(from(log, since)).toBe(wanted);
  });

  test("it stays as long as it may be, however much goes through it", () => {
    const { log } = filled();
    for (let i = 11; i < 1_000; i++) log.add("change", {}, i);
    expect([log.end - log.start, log.at(log.end - 1)?.slice(0, 7), log.at(log.start - 1), from(log, 997)]).toEqual([
      4,
      "id: 999",
      undefined,
      "998c 999c",
    ]);
  });
});
