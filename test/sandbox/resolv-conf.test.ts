/** What a sandbox's resolv.conf becomes, and when it is left alone. Shape: docker's libnetwork/internal/resolvconf. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { parseResolvConf } from "../../src/forwarder/resolv-conf.ts";
import { type ResolvConfOptions, render, restoreResolvConf, writeResolvConf } from "../../src/sandbox/resolv-conf.ts";

const OURS = { path: "/x/resolv.conf", address: "127.0.0.11" };

/** The lines that matter, between the header and the checksum. */
const lines = (old: string, options: Partial<ResolvConfOptions> = {}): string[] =>
  render(OURS.path, parseResolvConf(old), { ...OURS, ...options })
    .split("\n")
    .slice(4, -2)
    .filter((l) => l !== "" && !l.startsWith("# Based on"));

describe("what is written", () => {
  test.each<[string, string, Partial<ResolvConfOptions>, string[]]>([
    [
      "search and options of the host stay, its name servers become upstreams",
      "nameserver 192.0.2.1\nnameserver fd00::1\nsearch a.example b.example\noptions edns0 trust-ad\n",
      {},
      [
        "nameserver 127.0.0.11",
        "search a.example b.example",
        "options edns0 trust-ad ndots:0",
        "# ExtServers: [host(192.0.2.1) host(fd00::1)]",
        "# Overrides: []",
        "# Option ndots from: internal",
      ],
    ],
    [
      "a valid ndots of the host stays",
      "options ndots:2\nnameserver 192.0.2.1",
      {},
      [
        "nameserver 127.0.0.11",
        "options ndots:2",
        "# ExtServers: [host(192.0.2.1)]",
        "# Overrides: []",
        "# Option ndots from: host",
      ],
    ],
    [
      "an invalid one goes (moby for-linux#444)",
      "options ndots: 2 rotate\nnameserver 192.0.2.1\nnameserver nonsense",
      {},
      [
        "nameserver 127.0.0.11",
        "options 2 rotate ndots:0",
        "# ExtServers: [host(192.0.2.1)]",
        "# Invalid nameservers: [nonsense]",
        "# Overrides: []",
        "# Option ndots from: internal",
      ],
    ],
    [
      "what nobody knows is copied",
      "sortlist 192.0.2.0\nnameserver 192.0.2.1\nlookup file bind",
      {},
      [
        "nameserver 127.0.0.11",
        "options ndots:0",
        "sortlist 192.0.2.0",
        "lookup file bind",
        "# ExtServers: [host(192.0.2.1)]",
        "# Overrides: []",
        "# Option ndots from: internal",
      ],
    ],
    [
      "nothing there",
      "",
      {},
      [
        "nameserver 127.0.0.11",
        "options ndots:0",
        "# NO EXTERNAL NAMESERVERS DEFINED",
        "# Overrides: []",
        "# Option ndots from: internal",
      ],
    ],
    [
      "what the sandbox says overrides",
      "search a.example\noptions ndots:1 rotate\nnameserver 192.0.2.1",
      { search: ["b.example"], ndots: 5, upstreams: [{ address: "198.51.100.1", port: 53 }] },
      [
        "nameserver 127.0.0.11",
        "search b.example",
        "options rotate ndots:5",
        "# ExtServers: [198.51.100.1]",
        "# Overrides: [nameservers search options]",
        "# Option ndots from: override",
      ],
    ],
  ])("%s", (_, old, options, expected) => expect(lines(old, options)).toEqual(expected));
});

describe("the file", () => {
  let folder: string;
  let path: string;
  const now = () => readFileSync(path, "utf8");
  const OLD = "nameserver 192.0.2.1\n";
  const FOUND = { found: { upstreams: [{ address: "192.0.2.1", port: 53, host: true }], ndots: false } };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eleven-"));
    path = join(folder, "resolv.conf");
    writeFileSync(path, OLD);
  });
  const options = () => ({ path, address: "127.0.0.11" });

  test("is rewritten, its name servers are told, and it is put back in the end", () => {
    expect(writeResolvConf(options())).toEqual(FOUND);
    expect(now()).toMatch(/^nameserver 127\.0\.0\.11$/m);
    restoreResolvConf(options());
    expect([now(), readdirSync(folder)]).toEqual([OLD, ["resolv.conf"]]);
  });

  test("written again by the next process, it still knows the old name servers, and follows new options", () => {
    writeResolvConf(options());
    const again = writeResolvConf({ ...options(), ndots: 3 });
    expect(again).toEqual(FOUND);
    expect(now()).toMatch(/^options ndots:3$/m);
    restoreResolvConf({ ...options(), ndots: 3 });
    expect(now()).toBe(OLD);
  });

  test("that somebody has changed since is left alone, then and in the end", () => {
    writeResolvConf(options());
    const edited = now().replace("127.0.0.11", "198.51.100.7");
    writeFileSync(path, edited);
    expect(writeResolvConf({ ...options(), ndots: 3 }).problem).toBe(
      `${path} was changed by somebody else since it was written; it is left alone`,
    );
    restoreResolvConf(options());
    expect([now(), readdirSync(folder)]).toEqual([edited, ["resolv.conf"]]);
  });

  test("that is missing is made", () => {
    const missing = join(folder, "other");
    expect(writeResolvConf({ path: missing, address: "127.0.0.11" })).toEqual({
      found: { upstreams: [], ndots: false },
    });
    expect(readFileSync(missing, "utf8")).toMatch(/NO EXTERNAL NAMESERVERS/);
  });
});
