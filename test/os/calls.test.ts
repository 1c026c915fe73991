/** Struct layouts, proved by the kernel: what goes in comes out. */
import { closeSync, mkdtempSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Batch, sendTo } from "../../src/os/batch.ts";
import { OsError } from "../../src/os/error.ts";
import { exec } from "../../src/os/exec.ts";
import { libcProblem } from "../../src/os/libc.ts";
import { inNetns } from "../../src/os/netns.ts";
import { EPOLLIN, EPOLLOUT, openEventfd, Poll, rest, wake } from "../../src/os/poll.ts";
import { addressOfSockaddr, portOfSockaddr, sockaddr } from "../../src/os/sockaddr.ts";
import {
  bindUdp,
  closeFd,
  connectTcp,
  connectUdp,
  isDatagram,
  listenTcp,
  portOf,
  read,
  send,
} from "../../src/os/socket.ts";

const problem = libcProblem();
if (problem !== undefined) console.log(`skipped: ${problem}`);

/** What a failing call says. */
function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(OsError);
    return (error as Error).message;
  }
  return "nothing failed";
}

test.each([
  ["10.0.1.2", 53],
  ["255.255.255.255", 65_535],
  ["::1", 1],
  ["2001:db8::ff00:42:8329", 5353],
])("sockaddr of %s port %d, and back", (address, port) => {
  const raw = sockaddr(address, port);
  expect([addressOfSockaddr(raw), portOfSockaddr(raw)]).toEqual([address, port]);
});

test("struct sockaddr_in is as in netinet/in.h; an IPv4 address mapped into IPv6 comes out as IPv4", () => {
  expect(sockaddr("10.0.1.2", 53).toString("hex")).toBe("02000035" + "0a000102" + "0000000000000000");
  expect(addressOfSockaddr(sockaddr("::ffff:10.0.1.2", 53))).toBe("10.0.1.2");
});

test("work in no namespace in particular is done where the thread is, and takes no system call: koffi may be missing", () => {
  expect(inNetns(undefined, () => 42)).toBe(42);
});

describe.skipIf(problem !== undefined)("the kernel's calls", () => {
  test.each(["127.0.0.1", "::1"])("datagrams over %s go round in batches, each to where it came from", (address) => {
    const server = bindUdp(address, 0);
    const clients = Array.from({ length: 5 }, () => connectUdp(address, server.port));
    for (const [i, fd] of clients.entries()) expect(send(fd, Buffer.from(`ask ${i}`))).toBe(5);
    const batch = new Batch(8, 512);
    expect(batch.receive(server.fd)).toBe(5);
    for (let i = 0; i < 5; i++) {
      expect(batch.from(i)).toBe(address);
      expect(batch.slots[i]!.toString("latin1", 0, batch.length(i))).toBe(`ask ${i}`);
      if (i === 2) continue; // the third gets its answer later, by hand
      batch.slots[i]!.write(`told ${i}!`);
      batch.answer(i, 7);
    }
    const peer = batch.peer(2);
    batch.flush();
    sendTo(server.fd, peer, Buffer.from("late"));
    const answers = clients.map((fd) => {
      const into = Buffer.alloc(64);
      return into.toString("latin1", 0, read(fd, into));
    });
    expect(answers).toEqual(["told 0!", "told 1!", "late", "told 3!", "told 4!"]);
    expect(batch.receive(server.fd)).toBe(0);
    for (const fd of [server.fd, ...clients]) closeFd(fd);
  });

  test("a batch is as large as it is, and longer datagrams are cut", () => {
    const server = bindUdp("127.0.0.1", 0);
    const client = connectUdp("127.0.0.1", server.port);
    for (let i = 0; i < 6; i++) send(client, Buffer.alloc(100, i));
    const batch = new Batch(4, 64);
    expect([batch.receive(server.fd), batch.length(0)]).toEqual([4, 64]);
    expect([batch.receive(server.fd), batch.slots[1]![0]]).toEqual([2, 5]);
    for (const fd of [server.fd, client]) closeFd(fd);
  });

  test("a wildcard socket answers from the address that was asked", () => {
    const server = bindUdp("0.0.0.0", 0);
    const client = connectUdp("127.9.8.7", server.port); // takes answers from there only
    send(client, Buffer.from("?"));
    const batch = new Batch();
    expect(batch.receive(server.fd)).toBe(1);
    const peer = batch.peer(0);
    batch.answer(0, 1);
    batch.flush();
    sendTo(server.fd, peer, Buffer.from("!"));
    const into = Buffer.alloc(8);
    expect([read(client, into), read(client, into), into.toString("latin1", 0, 1)]).toEqual([1, 1, "!"]);
    for (const fd of [server.fd, client]) closeFd(fd);
  });

  test("epoll tells what is ready; an eventfd wakes it", () => {
    const poll = new Poll();
    const eventfd = openEventfd();
    const [listening, udp] = [listenTcp("127.0.0.1", 0), bindUdp("127.0.0.1", 0)];
    for (const fd of [eventfd, listening.fd, udp.fd]) poll.add(fd);
    expect(poll.wait(0)).toBe(0);
    wake(eventfd);
    wake(eventfd);
    expect([poll.wait(1_000), poll.fd(0)]).toEqual([1, eventfd]);
    rest(eventfd);
    expect(poll.wait(0)).toBe(0);
    const client = connectTcp("127.0.0.1", listening.port);
    expect([poll.wait(1_000), poll.fd(0)]).toEqual([1, listening.fd]);
    poll.remove(listening.fd);
    poll.remove(listening.fd);
    poll.add(client, EPOLLOUT);
    expect([poll.wait(1_000), poll.fd(0)]).toEqual([1, client]);
    poll.change(client, EPOLLIN);
    expect(poll.wait(0)).toBe(0);
    for (const fd of [eventfd, listening.fd, udp.fd, client]) closeFd(fd);
    poll.close();
  });

  test("sockets say what they are", () => {
    const [tcp, udp] = [listenTcp("127.0.0.1", 0), bindUdp("127.0.0.1", 0)];
    expect([isDatagram(tcp.fd), isDatagram(udp.fd)]).toEqual([false, true]);
    expect([portOf(tcp.fd), portOf(udp.fd)]).toEqual([tcp.port, udp.port]);
    for (const { fd } of [tcp, udp]) closeFd(fd);
  });

  test("what fails says what, where and why, and leaves nothing open", () => {
    const folder = mkdtempSync(join(tmpdir(), "eleven-"));
    writeFileSync(join(folder, "file"), "");
    const taken = bindUdp("127.0.0.1", 0);
    failure(() => inNetns(join(folder, "none"), () => 0)); // from the first time on, the way home is kept open
    const open = readdirSync("/proc/self/fd").length;
    expect(failure(() => bindUdp("127.0.0.1", taken.port))).toBe(`bind 127.0.0.1:${taken.port}: EADDRINUSE`);
    expect(failure(() => listenTcp("192.0.2.1", 53))).toBe("bind 192.0.2.1:53: EADDRNOTAVAIL");
    expect(failure(() => inNetns(join(folder, "none"), () => 0))).toBe(
      `open namespace ${folder}/none: ENOENT (there is no such namespace)`,
    );
    expect(failure(() => inNetns(join(folder, "file"), () => 0))).toMatch(
      /^open namespace \S+: EINVAL \(that is no network namespace\)$/,
    );
    expect(readdirSync("/proc/self/fd").length).toBe(open);
    closeFd(taken.fd);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "work in a namespace is in there, and after it, even a failing one, we are home",
    () => {
      const home = openSync("/proc/self/ns/net", "r");
      const before = readdirSync("/proc/self/fd").length;
      expect(inNetns("/proc/self/ns/net", () => 42)).toBe(42);
      expect(() =>
        inNetns("/proc/self/ns/net", () => {
          throw new Error("inside");
        }),
      ).toThrow("inside");
      expect(readdirSync("/proc/self/fd").length).toBe(before);
      closeSync(home);
    },
  );
});

test("exec gives what a command says, and its status", async () => {
  expect(await exec("cat", [], { input: "text" })).toEqual({ stdout: "text", stderr: "", status: 0 });
  expect((await exec("sh", ["-c", "echo no >&2; exit 3"])).stderr).toBe("no\n");
  expect((await exec("sleep", ["5"], { timeout: 20 })).status).toBe(-1);
  await expect(exec("no-such-command", [])).rejects.toThrow(/ENOENT/);
});
