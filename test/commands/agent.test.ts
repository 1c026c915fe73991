/** Verbs for a running agent, and what is said when there is none. */
import { chmodSync, mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { unreachable } from "../../src/commands/client/unreachable.ts";
import { eleven, type FakeAgent, fakeAgent, type Replies, split, text } from "../support/fake-agent.ts";

let agent: FakeAgent;
beforeAll(async () => {
  agent = await fakeAgent();
});
afterAll(() => agent.close());

const answered = (status: string, ...answer: string[]) => ({
  body: { status, flags: ["aa", "rd"], answer, ms: 0.2, from: "here" },
});
const sandboxes = (...ids: string[]) => ({ body: { revision: 1, items: ids.map((id) => ({ id })) } });
const STATUS = {
  ...{ version: "0.1.0", revision: 12, uptime: 93_784, ready: true, problems: [] },
  balance: { targets: 3, equal: 3, working: 0, degraded: [] },
  upstreams: { down: [] },
  counts: { networks: 1, services: 2, sandboxes: 0 },
};

test.each<[words: string, replies: Replies, asked: string, said: string]>([
  [
    "query web aaaa --from client",
    { "GET /v1/sandboxes/client/query": answered("NOERROR", "web. 600 IN AAAA fd00::2") },
    "GET /v1/sandboxes/client/query?name=web&type=AAAA",
    text`
      web. 600 IN AAAA fd00::2
      ;; NOERROR aa rd, from here, 0.2 ms
    `,
  ],
  [
    "query web -q",
    {
      "GET /v1/sandboxes": sandboxes("client"),
      "GET /v1/sandboxes/client/query": answered(
        "NOERROR",
        "web.\t600\tIN\tA\t10.0.1.2",
        'web. 5 TXT "\u001b]0;owned\u0007" "b"',
      ),
    },
    "GET /v1/sandboxes\nGET /v1/sandboxes/client/query?name=web&type=A",
    '10.0.1.2\n"\\u001b]0;owned\\u0007" "b"',
  ],
  [
    "query nobody --from client",
    { "GET /v1/sandboxes/client/query": answered("NXDOMAIN") },
    "GET /v1/sandboxes/client/query?name=nobody&type=A",
    ";; NXDOMAIN aa rd, from here, 0.2 ms\nexit 3",
  ],
  [
    "query x.example --from client --format '{{.status}} {{len .answer}}'",
    { "GET /v1/sandboxes/client/query": answered("SERVFAIL") },
    "GET /v1/sandboxes/client/query?name=x.example&type=A",
    "SERVFAIL 0\nexit 1",
  ],
  [
    "query web",
    { "GET /v1/sandboxes": sandboxes("a", "b") },
    "GET /v1/sandboxes",
    "! who asks? --from SANDBOX (there are a, b)\nexit 2",
  ],
  [
    "query web",
    { "GET /v1/sandboxes": sandboxes() },
    "GET /v1/sandboxes",
    "! who asks? --from SANDBOX (there is no sandbox yet)\nexit 2",
  ],
  [
    "query web --from cleint",
    {
      "GET /v1/sandboxes": sandboxes("client"),
      "GET /v1/sandboxes/cleint/query": { status: 404, body: { detail: 'there is no sandbox "cleint"' } },
    },
    "GET /v1/sandboxes/cleint/query?name=web&type=A\nGET /v1/sandboxes",
    '! eleven: there is no sandbox "cleint"; did you mean client?\nexit 3',
  ],
  [
    "query web --from client",
    {
      "GET /v1/sandboxes": sandboxes("client"),
      "GET /v1/sandboxes/client/query": { status: 404, body: { detail: "there is no such route" } },
    },
    "GET /v1/sandboxes/client/query?name=web&type=A\nGET /v1/sandboxes",
    "! eleven: there is no such route\nexit 3",
  ],
  [
    "explain web --from client",
    {
      "GET /v1/sandboxes/client/explain": {
        body: {
          name: "web",
          search: ["web"],
          networks: [{ network: "mynet", priority: 0, found: true }],
          vip: {
            address: "10.0.1.2",
            tasks: [
              { task: "web.1", weight: 1, connections: 3 },
              { task: "web.10", weight: 1 },
            ],
          },
          upstreams: [],
        },
      },
    },
    "GET /v1/sandboxes/client/explain?name=web&type=A",
    text`
      name    web
      search  web
      networks
        NETWORK  PRIORITY  FOUND
        mynet    0         yes
      vip
        address  10.0.1.2
        tasks
          TASK    WEIGHT  CONNECTIONS
          web.1   1       3
          web.10  1
    `,
  ],
  [
    "lb show",
    {
      "GET /v1/balance": {
        body: {
          items: [
            { target: "host", state: "equal", revision: 7, leaving: 0 },
            { target: "c1", state: "degraded", revision: -1, leaving: 2, reason: "no nft" },
          ],
        },
      },
    },
    "GET /v1/balance",
    text`
      TARGET  STATE     REVISION  LEAVING  REASON
      host    equal     7         0
      c1      degraded  -1        2        no nft
    `,
  ],
  [
    "lb show host",
    { "GET /v1/balance/host": { body: { target: "host", vips: ["10.0.1.2"] } } },
    "GET /v1/balance/host",
    "target  host\nvips    10.0.1.2",
  ],
  [
    "lb verify",
    { "GET /v1/balance/diff": { body: { items: [] } } },
    "GET /v1/balance/diff",
    "nothing is balanced: eleven config schema says what balance is, eleven sandbox ls who there is",
  ],
  [
    "lb verify",
    { "GET /v1/balance/diff": { body: { items: [{ target: "host", steps: [] }] } } },
    "GET /v1/balance/diff",
    "the kernel holds what it should",
  ],
  [
    "lb verify",
    {
      "GET /v1/balance/diff": {
        body: {
          items: [
            { target: "host", steps: ["add x"] },
            { target: "c", steps: [], problem: "gone" },
          ],
        },
      },
    },
    "GET /v1/balance/diff",
    "host: 1 step from what it should be\nc: gone\nexit 1",
  ],
  [
    "lb diff",
    { "GET /v1/balance/diff": { body: { items: [{ target: "host", steps: ["add server x", { kind: "remove" }] }] } } },
    "GET /v1/balance/diff",
    'host\n  add server x\n  {"kind":"remove"}\nexit 1',
  ],
  [
    "lb repair",
    { "POST /v1/balance/repair": { body: { items: [{ target: "host", repaired: [], left: [] }] } } },
    "POST /v1/balance/repair",
    "nothing had to be put right",
  ],
  [
    "lb repair",
    {
      "POST /v1/balance/repair": {
        body: {
          items: [
            { target: "host", repaired: ["address.add 10.0.1.2 lo"], left: [] },
            { target: "c", repaired: [], left: ["snat.add x", "snat.add y"] },
            { target: "d", repaired: [], left: [], problem: "d: gone" },
          ],
        },
      },
    },
    "POST /v1/balance/repair",
    "host\n  address.add 10.0.1.2 lo\n! eleven: c: 2 steps from what it should be, still\n! eleven: d: d: gone\nexit 1",
  ],
  [
    "upstream ls",
    {
      "GET /v1/upstreams": {
        body: {
          items: [
            { address: "9.9.9.9", port: 53, of: "node", host: true, down: [] },
            { address: "fd00::1", port: 5353, domains: ["corp"], of: "sandbox c", netns: "c", down: ["c"] },
          ],
        },
      },
    },
    "GET /v1/upstreams",
    text`
      ADDRESS         DOMAINS  OF         NETNS  STATE
      9.9.9.9                  node       host   up
      [fd00::1]:5353  corp     sandbox c  c      down (asked from c)
    `,
  ],
  [
    "cache flush",
    { "POST /v1/cache/flush": { body: { flushed: 12 } } },
    "POST /v1/cache/flush",
    "12 answers forgotten",
  ],
  [
    "wait --revision 12",
    { "GET /v1/wait": { body: { revision: 12, waited: "applied" } } },
    "GET /v1/wait?revision=12&for=applied&timeout=30",
    "",
  ],
  [
    "wait --for drained --timeout 0.5",
    {
      "GET /v1/wait": {
        status: 202,
        body: { revision: 12, waited: "timeout", degraded: [{ target: "c", reason: "no" }] },
      },
    },
    "GET /v1/wait?for=drained&timeout=0.5",
    "! eleven: degraded: c: no\n! eleven: not drained within 0.5 s; eleven status says why\nexit 124",
  ],
  [
    "wait --revision soon",
    {},
    "",
    "! Option '--revision <REVISION>' argument 'soon' is invalid. It must be a whole number; eleven wait --help says more\nexit 2",
  ],
  [
    "reload",
    { "POST /v1/reload": { body: { revision: 9, changed: 2, restart: [] } } },
    "POST /v1/reload",
    "2 objects changed, revision 9",
  ],
  [
    "reload",
    { "POST /v1/reload": { body: { revision: 9, changed: 0, restart: ["workers", "transport"] } } },
    "POST /v1/reload",
    "nothing is another\n! eleven: in force after a restart only: workers, transport",
  ],
  [
    "reload",
    {
      "POST /v1/reload": {
        status: 422,
        body: {
          type: "urn:eleven:problem:config",
          detail: "the config is refused, and what was in force stays",
          errors: [
            { place: "/etc/e.yaml:3:5", detail: "networks.a: overlaps" },
            { detail: "/etc/e.yaml:9:1: services.b: is no key" },
          ],
        },
      },
    },
    "POST /v1/reload",
    text`
      ! eleven: the config is refused, and what was in force stays
      !   /etc/e.yaml:3:5: networks.a: overlaps
      !   /etc/e.yaml:9:1: services.b: is no key
      exit 2
    `,
  ],
  [
    "status",
    { "GET /v1/status": { body: { ...STATUS, config: { files: ["/etc/e.yaml"], loaded: "2026-11-22T09:00:00Z" } } } },
    "GET /v1/status",
    text`
      eleven    0.1.0, up 1 d 2 h
      revision  12
      objects   1 network, 2 services, 0 sandboxes
      config    /etc/e.yaml, read 2026-11-22T09:00:00Z
      balance   3 of 3 namespaces as they should be
      no problems
    `,
  ],
  [
    "status",
    {
      "GET /v1/status": {
        body: {
          ...{ ...STATUS, ready: false, uptime: 3.2, balance: { targets: 0 } },
          config: {
            files: ["/e.yaml"],
            loaded: "L",
            refused: {
              at: "T",
              problems: [
                { file: "/e.yaml", line: 3, column: 5, message: "is no key" },
                { file: "/e.yaml", line: 0, column: 0, message: "it is not UTF-8" },
              ],
            },
          },
          problems: [{ sandbox: "c", problem: "its namespace is gone\nx" }],
          upstreams: { down: [{ address: "9.9.9.9", port: 53, state: "down", netns: "c" }] },
        },
      },
    },
    "GET /v1/status",
    text`
      eleven    0.1.0, up 3 s, not ready yet
      revision  12
      objects   1 network, 2 services, 0 sandboxes
      config    /e.yaml, read L

      problems
        the config was changed (T) and is refused; what was in force stays:
          /e.yaml:3:5: is no key
          /e.yaml: it is not UTF-8
        sandbox c: its namespace is gone\\u000ax
        upstream 9.9.9.9 port 53 does not answer (asked from c)
    `,
  ],
  ["status --format '{{.revision}}'", { "GET /v1/status": { body: STATUS } }, "GET /v1/status", "12"],
])("%s", async (words, replies, asked, said) => {
  agent.say(replies);
  expect([await eleven(split(words), agent.socket), agent.asked.join("\n")]).toEqual([said, asked]);
});

describe("events", () => {
  const EVENTS = [
    'id: 7\nevent: change\ndata: {"revision":7,"changes":[{"kind":"service.put","service":{"id":"web"}},{"kind":"task.remove","id":"web.3"}]}',
    'event: problem\ndata: {"sandbox":"c","problem":"its namespace\\u001b is gone"}',
    ": still there",
    'id: 8\r\nevent: repaired\r\ndata: {\r\ndata: "target":"host","steps":2}',
  ];
  const ended =
    "! eleven: eleven agent has ended, or took us for too slow; eleven events --since 8 goes on from here\nexit 1";

  test.each([
    [
      "events",
      "",
      `7  change  service.put web, task.remove web.3\n7  problem  sandbox=c problem=its namespace\\u001b is gone\n8  repaired  target=host steps=2\n${ended}`,
    ],
    ["events --since 6 --filter kind=task", "?since=6", `7  change  service.put web, task.remove web.3\n${ended}`],
    [
      "events --filter event=repaired --format json",
      "",
      `{"event":"repaired","id":"8","data":{"target":"host","steps":2}}\n${ended}`,
    ],
    ["events --filter id=web.3 --format '{{.id}} {{.data.revision}}'", "", `7 7\n${ended}`],
  ])("%s", async (words, query, said) => {
    agent.say({ "GET /v1/events": { body: undefined, text: `${EVENTS.join("\n\n")}\n\ndata: cut` } });
    expect([await eleven(split(words), agent.socket), agent.asked]).toEqual([said, [`GET /v1/events${query}`]]);
  });

  test("a revision that is too old", async () => {
    agent.say({ "GET /v1/events": { status: 410, body: { detail: "revision 1 is too long ago: list again" } } });
    expect(await eleven(["events", "--since", "1"], agent.socket)).toBe(
      "! eleven: revision 1 is too long ago: list again\nexit 1",
    );
  });
});

test.each([["reload"], ["wait"]])("%s gives up a second after its time, whoever does not answer", async (verb) => {
  const socket = join(mkdtempSync(join(tmpdir(), "eleven-")), "s");
  const server = createServer((connection) => void connection.resume()).listen(socket);
  expect(await eleven([verb, "--timeout", "0.01"], socket)).toBe(
    "! eleven: eleven agent has not answered for 1.01 s\nexit 124",
  );
  server.close();
});

describe("nobody there", () => {
  const folder = mkdtempSync(join(tmpdir(), "eleven-"));

  test.each([
    [
      ["status", "--socket", "/nowhere/s"],
      "! eleven: eleven agent is not running (no /nowhere/s); start it: sudo eleven agent --config FILE, or say where it listens: --socket PATH\nexit 1",
    ],
    [
      ["--socket", "/dev/null", "status"],
      "! eleven: eleven agent is not running (nobody listens on /dev/null); start it: sudo eleven agent --config FILE, or say where it listens: --socket PATH\nexit 1",
    ],
  ])("%j", async (words, said) => {
    expect(await eleven(words)).toBe(said);
  });

  test("ELEVEN_SOCKET says where, --socket before it", async () => {
    agent.say({ "GET /v1/status": { body: STATUS } });
    expect(await eleven(["status", "--format", "{{.revision}}"], agent.socket)).toBe("12");
    expect(await eleven(["status", "--format", "{{.revision}}", "--socket", agent.socket], "/nowhere")).toBe("12");
  });

  test.each([
    ["no JSON", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", /is no eleven agent/],
    ["no answer", "", /ended before it answered/],
    ["half of one", 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"a', /ended in the middle/],
    ["a refusal in other words", "HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nhi", /answers 500, and does not say why/],
  ])("%s", async (name, octets, said) => {
    const socket = join(folder, name);
    const server = createServer((connection) => void connection.once("data", () => connection.end(octets))).listen(
      socket,
    );
    expect(await eleven(["status"], socket)).toMatch(said);
    server.close();
  });

  test.each([
    [0o600, /is for root alone; use sudo, or let a group in: control: \{ group: NAME \}/],
    [0o660, /is for root (alone|and group \S+)/],
  ])("a socket of mode %o that this user may not use", async (mode, said) => {
    const socket = join(folder, `mode-${mode}`);
    const server = createServer().listen(socket);
    await new Promise((resolve) => server.once("listening", resolve));
    chmodSync(socket, mode);
    expect(unreachable(socket, Object.assign(new Error("no"), { code: "EACCES" })).message).toMatch(said);
    server.close();
  });
});
