/** Netlink: octets read with bounds, answers taken from the kernel only and only for what was asked. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { sendTo } from "../../src/os/batch.ts";
import { checked, libc, libcProblem } from "../../src/os/libc.ts";
import { type DumpLimits, NETLINK_NETFILTER, NETLINK_ROUTE, Netlink } from "../../src/os/netlink/connection.ts";
import { forget, parseEntry, trackedBy } from "../../src/os/netlink/conntrack.ts";
import { Genetlink } from "../../src/os/netlink/genetlink.ts";
import { inTransaction, nftGeneration } from "../../src/os/netlink/nfnetlink.ts";
import { attributesIn, parseAttributes, parseMessages, parseRefusal } from "../../src/os/netlink/read.ts";
import { MessageWriter } from "../../src/os/netlink/write.ts";
import { inNetns } from "../../src/os/netns.ts";
import { commit } from "../../src/os/nftables/batch.ts";
import { hex } from "../support/text.ts";
import { Namespaces, withoutNamespaces } from "../system/namespaces.ts";

test.each([
  ["a whole one", "18000000 1000 0200 01000000 00000000 aabbccdd 11223344", ["16 1 aabbccdd11223344"]],
  [
    "two, the first padded",
    "11000000 1000 0000 01000000 00000000 aa000000 10000000 0300 0000 02000000 00000000",
    ["16 1 aa", "3 2 "],
  ],
  ["longer than the datagram", "1c000000 1000 0000 01000000 00000000 aabbccdd 11223344", []],
  ["as long as can be said", "ffffffff 1000 0000 01000000 00000000 aabbccdd 11223344", []],
  ["shorter than its header", "0f000000 1000 0000 01000000 00000000 aabbccdd 11223344", []],
  ["half a header", "18000000 1000 0000 0100", []],
  ["nothing", "", []],
])("messages of a datagram: %s", (_, octets, messages) => {
  const text = parseMessages(hex(octets)).map((m) => `${m.type} ${m.sequence} ${m.payload.toString("hex")}`);
  expect(text).toEqual(messages);
});

test.each([
  ["two, the first padded", "0500 0100 aa000000 0800 0200 11223344", ["1 aa", "2 11223344"]],
  ["the bits for nested and network order", "0500 01c0 aa000000", ["1 aa"]],
  ["one that leads outside", "0500 0100 aa000000 0900 0200 11223344", ["1 aa"]],
  ["one shorter than its header", "0300 0100 aa000000 0800 0200 11223344", []],
])("attributes: %s", (_, octets, attributes) => {
  expect(attributesIn(hex(octets)).map(([type, value]) => `${type} ${value.toString("hex")}`)).toEqual(attributes);
});

test("an attribute of another length than its type has is none", () => {
  const one = (value: string) => parseAttributes(new MessageWriter().raw(1, hex(value)).octets);
  for (const value of ["", "11", "1122", "112233", "11223344", "1122334455"]) {
    const length = value.length / 2;
    const read = [one(value).u8(1), one(value).u16(1), one(value).u32(1), one(value).be16(1), one(value).be32(1)];
    expect(read.map((number) => number !== undefined)).toEqual([1, 2, 4, 2, 4].map((size) => size === length));
    expect(one(value).address(1) !== undefined).toBe(length === 4);
  }
  expect(parseAttributes(undefined).u32(1)).toBeUndefined();
});

/** NLMSG_ERROR with flags, error and what follows it. */
const error = (flags: number, octets: string) => ({ type: 2, flags, sequence: 1, payload: hex(octets) });
const TEXT = "0c00 0100 6e6f 2007 65 000000"; // "no \x07e"
const CAUSE = "10000000 0000 0000 00000000 00000000";
test.each([
  ["nothing wrong", error(0, "00000000"), undefined],
  ["a number", error(0, "feffffff"), { errno: 2, why: "" }],
  ["a text", error(0x300, `feffffff ${CAUSE} ${TEXT}`), { errno: 2, why: "no ?e" }],
  [
    "an offset",
    error(0x300, `feffffff ${CAUSE} 0800 0200 24000000`),
    { errno: 2, why: "octet 36 of the message", offset: 36 },
  ],
  [
    "behind the whole message",
    error(0x200, `feffffff 14000000 0000 0000 00000000 00000000 11223344 ${TEXT}`),
    { errno: 2, why: "no ?e" },
  ],
  [
    "behind a message that is not there",
    error(0x200, `feffffff ffffffff 0000 0000 00000000 00000000 ${TEXT}`),
    { errno: 2, why: expect.any(String) },
  ],
  ["too short", error(0, "feff"), { errno: 74, why: "" }],
  ["the end of a list", { type: 3, flags: 2, sequence: 1, payload: hex("00000000") }, undefined],
  [
    "the end of a list that went wrong",
    { type: 3, flags: 0x202, sequence: 1, payload: hex(`f0ffffff ${TEXT}`) },
    { errno: 16, why: "no ?e" },
  ],
])("what the kernel has against a message: %s", (_, message, refusal) => {
  expect(parseRefusal(message)).toEqual(refusal);
});

test("what is written can be read, however much it is", () => {
  const to = new MessageWriter(1);
  const numbers = Array.from({ length: 300 }, (_, i) => i);
  for (const i of numbers)
    to.message(i, 1, [7, 8, 9, 10], () =>
      to
        .u8(1, i & 255)
        .nested(2, () => to.u16(1, i).u32(2, i).be16(3, i).be32(4, i).text(5, `text ${i}`).raw(6, "\xff")),
    );
  const read = parseMessages(to.octets).map(({ type, payload }) => {
    const all = parseAttributes(payload.subarray(4));
    const in2 = all.nested(2);
    expect([all.u8(1), payload[0], in2.text(5), in2.raw(6)?.[0]]).toEqual([type & 255, 7, `text ${type}`, 255]);
    return [type, in2.u16(1), in2.u32(2), in2.be16(3), in2.be32(4)];
  });
  expect(read).toEqual(numbers.map((i) => [i, i, i, i, i]));
});

test.skipIf(libcProblem() !== undefined)(
  "generic netlink: families by name, lists, commands and what they end with",
  () => {
    const control = new Genetlink("nlctrl");
    const named = new MessageWriter().text(2, "nlctrl").octets;
    expect(parseAttributes(control.ask({ command: 3, attributes: named })).u16(1)).toBe(16);
    const all = control.dump({ command: 3, attributes: Buffer.alloc(0) });
    expect(all.map((family) => parseAttributes(family).text(2))).toContain("nlctrl");
    const nobody = new MessageWriter().text(2, "nobody").octets;
    expect(control.do([nobody, named].map((attributes) => ({ command: 3, attributes })))).toEqual([2, 0]);
    expect(() => control.ask({ command: 3, attributes: nobody })).toThrow("nlctrl: ENOENT");
    control.close();
    expect(() => new Genetlink("nobody")).toThrow("netlink family nobody: ENOENT");
  },
);

test("an entry of the table of connections without addresses is none", () => {
  expect(parseEntry(hex("0500 0180 aa000000"), new Map([["", ""]]))).toBeUndefined();
});

const GET_LINK = 18;
const NEW_ADDRESS = 20;
const DELETE_ADDRESS = 21;
const GET_ADDRESS = 22;
const NEW_ROUTE = 24;
/** Addresses of lo. */
const addresses = (type: number, count: number): MessageWriter => {
  const to = new MessageWriter();
  for (let i = 0; i < count; i++)
    to.message(type, type === NEW_ADDRESS ? 0x600 : 0, [2, 32, 0, 0, 1, 0, 0, 0], () =>
      to.address(2, `10.6.${i >> 8}.${i & 255}`),
    );
  return to;
};
const listAddresses = () => new MessageWriter().message(GET_ADDRESS, 0, [2, 0, 0, 0, 0, 0, 0, 0]);

describe.skipIf(libcProblem() !== undefined || withoutNamespaces())("in a namespace", () => {
  const namespaces = new Namespaces();
  beforeAll(async () => {
    await namespaces.add("nl");
    await namespaces.ip("-n @nl link set lo up");
  });
  afterAll(() => namespaces.clean());
  const open = (protocol = NETLINK_ROUTE) => inNetns(namespaces.path("nl"), () => new Netlink(protocol));

  test("many messages at once: each has its own answer", () => {
    const netlink = open();
    expect(netlink.execute("some", addresses(NEW_ADDRESS, 3))).toEqual([undefined, undefined, undefined]);
    const all = netlink.execute("all", addresses(NEW_ADDRESS, 250));
    expect(all.map((refusal) => refusal?.errno)).toEqual([17, 17, 17, ...new Array(247).fill(undefined)]);
    expect(netlink.dump("list", listAddresses(), (entry) => entry.length)).toHaveLength(251);
    expect(netlink.execute("none", addresses(DELETE_ADDRESS, 250))).toEqual(new Array(250).fill(undefined));
    netlink.close();
  });

  test("an error says what was tried, with what, and the kernel's reason", () => {
    const netlink = open();
    const link = new MessageWriter().message(GET_LINK, 0, [0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => netlink.ask("look", link, "number 99")).toThrow(/^look number 99: ENODEV$/);
    const to = new MessageWriter();
    to.message(NEW_ROUTE, 0x400, [2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0], () =>
      to.address(1, "10.5.0.0").address(5, "192.0.2.1"),
    );
    expect(netlink.execute("route", to)).toEqual([{ errno: 101, why: "Nexthop has invalid gateway" }]);
    netlink.close();
  });

  test("a list longer than it may be is an error, or ends there", () => {
    const netlink = open();
    netlink.execute("all", addresses(NEW_ADDRESS, 1_000));
    const list = (limits: DumpLimits): number => {
      const another = open();
      try {
        return another.dump("list", listAddresses(), () => 1, limits).length;
      } finally {
        another.close();
      }
    };
    expect(() => list({ most: 4_000 })).toThrow("list: E2BIG (too long, or too slow to read)");
    expect(() => list({ longest: 0 })).toThrow("list: E2BIG");
    expect(list({})).toBe(1_001);
    const some = list({ most: 4_000, partly: true });
    expect(some > 10 && some < 1_000).toBe(true);
    netlink.execute("none", addresses(DELETE_ADDRESS, 1_000));
    netlink.close();
  });

  test("connections are read, and the generation of rules", () => {
    expect(trackedBy(namespaces.path("nl"), "10.0.0.1")).toEqual([]);
    expect(inNetns(namespaces.path("nl"), nftGeneration)).toBeTypeOf("number");
  });

  test("a connection that is kept open is for its namespace, not for the path", async () => {
    await namespaces.add("kept");
    const path = namespaces.path("kept");
    const there = () => inNetns(path, nftGeneration);
    const first = Number(nftGeneration(path));
    for (const table of ["one", "two", "three"])
      await inTransaction(path, { own: true, longest: 30_000 }, (it) => commit(it, table, [{ kind: "table.add" }]));
    expect([nftGeneration(path), there()]).toEqual([first + 3, first + 3]);
    const entered = vi.spyOn(libc(), "setns");
    expect(nftGeneration(path)).toBe(first + 3);
    expect(entered).toHaveBeenCalledTimes(0);
    entered.mockRestore();
    await namespaces.remove("kept");
    expect(() => nftGeneration(path)).toThrow("open namespace");
    await namespaces.add("kept");
    expect([nftGeneration(path), there()]).toEqual([first, first]);
  });

  test("connections are forgotten: none are listed where there are none, else all of them once", () => {
    const path = namespaces.path("nl");
    const lists = vi.spyOn(Netlink.prototype, "dump");
    const by = new Set(["10.7.0.2", "10.7.0.3", "10.7.0.4", "fd00::4"]);
    expect(forget(path, by, () => true)).toBe(0);
    expect(lists).toHaveBeenCalledTimes(0);
    const netlink = open(NETLINK_NETFILTER);
    const created = new MessageWriter();
    for (const server of ["10.7.0.2", "10.7.0.3", "10.7.0.9"]) flow(created, "10.7.0.1", server);
    expect(netlink.execute("flows", created).filter((refusal) => refusal !== undefined)).toEqual([]);
    netlink.close();
    expect(forget(path, by, ({ to }) => to !== "10.7.0.3")).toBe(1);
    expect(lists).toHaveBeenCalledTimes(1);
    expect(trackedBy(path, "10.7.0.2")).toEqual([]);
    expect(trackedBy(path, "10.7.0.3").map(({ to }) => to)).toEqual(["10.7.0.3"]);
    lists.mockRestore();
  });

  /** An entry of the kernel's table: UDP, which nobody has translated. */
  const flow = (to: MessageWriter, client: string, server: string): void => {
    const tuple = (type: number, from: string, at: string, ports: readonly [number, number]) =>
      to.nested(type, () =>
        to
          .nested(1, () => to.address(1, from).address(2, at))
          .nested(2, () => to.u8(1, 17).be16(2, ports[0]).be16(3, ports[1])),
      );
    to.message(1 << 8, 0x400, [2, 0, 0, 0], () => {
      tuple(1, client, server, [1_000, 53]);
      tuple(2, server, client, [53, 1_000]);
      to.be32(7, 600);
    });
  };

  test("an answer that is none: no exception but ours, and nothing waits", () => {
    const netlink = open(NETLINK_NETFILTER);
    const junk = new MessageWriter().message(0x0a63, 0, randomBytes(4));
    expect(() => netlink.ask("junk", junk)).toThrow(/^junk: EINVAL/);
    const noop = new MessageWriter().message(1, 0, []); // NLMSG_NOOP: nobody answers
    expect(() => netlink.ask("nothing", noop)).toThrow("nothing: EWOULDBLOCK (no answer)");
    netlink.close();
  });

  /** A forger in the namespace: sends messages to the socket of somebody else. */
  const forge = (netlink: Netlink, message: Buffer, count = 1): void => {
    const name = Buffer.alloc(12);
    libc().getsockname(netlink.fd, name, Buffer.from([12, 0, 0, 0]));
    const forger = open(NETLINK_NETFILTER);
    disconnect(forger);
    for (let i = 0; i < count; i++) sendTo(forger.fd, { name, control: Buffer.alloc(0) }, message);
    forger.close();
  };
  const disconnect = ({ fd }: Netlink) => checked(libc().connect(fd, Buffer.alloc(12), 12), "connect");
  const GENERATION = new MessageWriter().message((10 << 8) | 16, 0, [0, 0, 0, 0]);
  const asks = (netlink: Netlink) => parseAttributes(netlink.ask("generation", GENERATION).subarray(4)).be32(1);
  /** As the kernel would say it: generation 0xbadbad00, to the second question that a socket has. */
  const forged = hex("1c000000 0f0a 0000 02000000 00000000 0000 0000 0800 0100 badbad00");

  test("what is not there is found missing; else an error is one", () => {
    const netlink = open(NETLINK_NETFILTER);
    const table = (name: string) =>
      new MessageWriter().message((10 << 8) | 1, 0, [1, 0, 0, 0], (to) => to.text(1, name));
    expect(netlink.find("table", table("none"))).toBeUndefined();
    expect(netlink.find("generation", GENERATION)).toEqual(netlink.ask("generation", GENERATION));
    expect(() => netlink.ask("table", table("none"), "none")).toThrow(/^table none: ENOENT/);
    const unknown = new MessageWriter().message((99 << 8) | 1, 0, [0, 0, 0, 0]);
    expect(() => netlink.find("table", unknown, "none")).toThrow(/^table none: EINVAL/);
    netlink.close();
  });

  test("others in the namespace can't send to our socket", () => {
    const netlink = open(NETLINK_NETFILTER);
    asks(netlink); // from now on it has a number that others know
    forge(netlink, forged, 500); // more than it has room for
    const room = Buffer.alloc(100);
    expect([libc().read(netlink.fd, room, room.length), libc().koffi.errno()]).toEqual([-1, 11]);
    expect(asks(netlink)).toBe(inNetns(namespaces.path("nl"), nftGeneration));
    netlink.close();
  });

  test("where they could, theirs would not be taken for the kernel's", () => {
    const netlink = open(NETLINK_NETFILTER);
    asks(netlink);
    disconnect(netlink);
    forge(netlink, forged, 3);
    expect(asks(netlink)).toBe(inNetns(namespaces.path("nl"), nftGeneration));
    forge(netlink, forged, 150);
    expect(() => asks(netlink)).toThrow("EBADMSG (messages from others than the kernel)");
    netlink.close();
  });

  test("a late answer to an earlier question is passed over", () => {
    const netlink = open(NETLINK_NETFILTER);
    const { octets } = new MessageWriter().message((10 << 8) | 16, 1, [0, 0, 0, 0]);
    libc().send(netlink.fd, octets, octets.length, 0); // sequence 0
    libc().send(netlink.fd, octets, octets.length, 0);
    expect(asks(netlink)).toBeTypeOf("number");
    expect(() => netlink.ask("nothing", new MessageWriter().message(1, 0, []))).toThrow(
      "nothing: EWOULDBLOCK (no answer)",
    );
    netlink.close();
  });
});
