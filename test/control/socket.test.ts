/** The socket itself: whose it is, who may connect, what was there before, and how it ends. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { startControl } from "../../src/control/server.ts";
import { createNode } from "../../src/daemon.ts";
import { ask, newSocket, served } from "./served.ts";

const root = process.getuid?.() === 0;

test("it is for its owner alone, in a directory that is made, and nothing of it is left", async () => {
  const socket = join(dirname(newSocket()), "run", "eleven.sock");
  const { control } = await served({ socket });
  const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);
  expect([mode(socket), mode(dirname(socket)), readdirSync(dirname(socket)).sort()]).toEqual([
    "600",
    "755",
    ["eleven.sock", "eleven.sock.lock"],
  ]);
  expect((await ask(socket, "GET /v1/status")).status).toBe(200);
  await control.close();
  await control.close();
  expect(readdirSync(dirname(socket))).toEqual([]);
});

test.runIf(root)("a group may be let in, by name or number", async () => {
  for (const group of ["daemon", 1, "1"]) {
    const { socket } = await served({ group, mode: 0o660 });
    expect([statSync(socket).gid, (statSync(socket).mode & 0o777).toString(8)]).toEqual([1, "660"]);
  }
});

test("what a dead process left is replaced; a living one is not, and is named", async () => {
  const socket = newSocket();
  const gone = `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`;
  expect(() => execFileSync(process.execPath, ["-e", gone], { stdio: "ignore" })).toThrow();
  expect(statSync(socket).isSocket()).toBe(true);
  const { node } = await served({ socket });
  expect((await ask(socket, "GET /v1/status")).status).toBe(200);
  await expect(startControl({ node, socket })).rejects.toThrow(
    `eleven agent runs already, process ${process.pid}: it has the socket ${socket}`,
  );
  expect((await ask(socket, "GET /v1/status")).status).toBe(200);
});

test.each<[string, (socket: string) => Record<string, unknown>, RegExp]>([
  [
    "a file in its place",
    (socket) => {
      writeFileSync(socket, "mine");
      return {};
    },
    /is there and no socket: remove it/,
  ],
  [
    "a directory that can't be made",
    (socket) => ({ socket: join(dirname(socket), "no", "such", "s") }),
    /directory of the control socket, .*\/no\/such, can't be made: ENOENT/,
  ],
  [
    "a file as directory",
    (socket) => {
      writeFileSync(socket, "");
      return { socket: join(socket, "s") };
    },
    /can't be made: EEXIST/,
  ],
  [
    "a path that is too long",
    (socket) => {
      const folder = join(dirname(socket), "x".repeat(90));
      mkdirSync(folder);
      return { socket: join(folder, "s") };
    },
    /is too long/,
  ],
  ["a group that is not there", () => ({ group: "no-such-group" }), /there is no group "no-such-group".*groupadd/],
])("%s: refused, and nothing is left", async (_name, prepare, message) => {
  const socket = newSocket();
  const options = prepare(socket);
  const before = readdirSync(dirname(socket));
  const node = createNode({ workers: 0 });
  onTestFinished(() => node.close());
  await expect(startControl({ node, socket, ...options })).rejects.toThrow(message);
  expect(readdirSync(dirname(socket))).toEqual(before);
  expect([...node.eventNames()]).toEqual([]);
});

test("nobody keeps it from ending: not who says nothing, not who stops in mid-request, not who does not read", async () => {
  const { socket, control, node } = await served();
  const clients: Socket[] = [];
  const open = (text: string): void => {
    const client = connect(socket);
    client.on("error", () => {});
    client.pause();
    client.write(text);
    clients.push(client);
  };
  node.apply(Array.from({ length: 2_000 }, (_, i) => ({ kind: "container.put", container: { name: `c${i}` } })));
  open("");
  open("GET /v1/st");
  open('PUT /v1/networks/n HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"a":');
  open("GET /v1/containers HTTP/1.1\r\nhost: a\r\n\r\n".repeat(50));
  open("GET /v1/events?since=0 HTTP/1.1\r\nhost: a\r\n\r\n");
  await vi.waitFor(async () => expect((await ask(socket, "GET /v1/status")).status).toBe(200));
  const started = performance.now();
  await control.close();
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(existsSync(socket)).toBe(false);
  for (const client of clients) client.destroy();
});

test("more connections than it takes: those it has are answered", async () => {
  const { socket } = await served();
  const many = Array.from({ length: 200 }, () => connect(socket).on("error", () => {}));
  onTestFinished(() => many.forEach((client) => void client.destroy()));
  const closed = () => many.filter((client) => client.destroyed || client.readableEnded).length;
  for (const client of many) client.resume();
  await vi.waitFor(() => expect(closed()).toBe(200 - 64));
  const living = many.find((client) => !client.destroyed)!;
  let text = "";
  living.on("data", (chunk) => {
    text += chunk;
  });
  living.write("GET /v1/status HTTP/1.1\r\nhost: a\r\n\r\n");
  await vi.waitFor(() => expect(text).toMatch(/^HTTP\/1.1 200/));
});

test("answers that nobody reads are not made any more after a while", async () => {
  const { socket, node } = await served();
  node.apply(Array.from({ length: 20_000 }, (_, i) => ({ kind: "container.put", container: { name: `c${i}` } })));
  const clients = Array.from({ length: 60 }, () => connect(socket).on("error", () => {}));
  onTestFinished(() => clients.forEach((client) => void client.destroy()));
  for (const client of clients) client.pause().write("GET /v1/containers HTTP/1.1\r\nhost: a\r\n\r\n");
  await vi.waitFor(async () => expect((await ask(socket, "GET /v1/status")).status).toBe(429), { timeout: 20_000 });
  for (const client of clients) client.destroy();
  await vi.waitFor(async () => expect((await ask(socket, "GET /v1/status")).status).toBe(200));
});

test("a socket of somebody else's in its place is replaced: it is nobody's who has the lock", async () => {
  const socket = newSocket();
  const other = createServer().listen(socket);
  onTestFinished(() => void other.close());
  await vi.waitFor(() => expect(existsSync(socket)).toBe(true));
  await served({ socket });
  expect((await ask(socket, "GET /v1/status")).status).toBe(200);
});
