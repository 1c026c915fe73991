/** Sockets of a listening address are opened as a pair, or not at all. */
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bringLoopbackUp } from "../../src/os/link.ts";
import { inNetns } from "../../src/os/netns.ts";
import { closeFd, listenTcp } from "../../src/os/socket.ts";
import { createOpenSockets } from "../../src/sandbox/sockets.ts";
import { Namespaces, withoutNamespaces } from "./namespaces.ts";

const ADDRESS = "127.0.0.11";
/** The only port that the kernel picks in the namespace. */
const ONLY = 40_000;

describe.skipIf(withoutNamespaces())("where TCP has no port left", () => {
  let ns: Namespaces;
  beforeEach(async () => {
    ns = new Namespaces();
    await ns.add("a");
  });
  afterEach(() => ns.clean());

  test.each([
    ["on the port that was asked for, and then behind a redirect", ONLY, false],
    ["on any port, and then behind a redirect", 0, false],
    ["behind a redirect", 53, true],
  ])("%s, UDP's socket is closed again", async (_, port, redirect) => {
    const place = { netns: ns.path("a"), redirect };
    const taken = inNetns(place.netns, () => {
      bringLoopbackUp();
      writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", `${ONLY} ${ONLY}`);
      return listenTcp(ADDRESS, 0).fd;
    });
    const before = openSockets();
    const open = createOpenSockets({ onNotice: () => {} });
    await expect(open({ address: ADDRESS, port }, place)).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(openSockets()).toEqual(before);
    closeFd(taken);
  });
});

function openSockets(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const link = readlinkSync(`/proc/self/fd/${fd}`);
      return link.startsWith("socket:") ? [link] : [];
    } catch {
      return []; // the folder itself, while it was read
    }
  });
}
