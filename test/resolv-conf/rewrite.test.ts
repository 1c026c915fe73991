/** What a sandbox's resolv.conf becomes, and when it is left alone. Shape: docker's libnetwork/internal/resolvconf. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { Upstream } from "../../src/model/types.ts";
import { libcProblem } from "../../src/os/libc.ts";
import { StateDir } from "../../src/os/state-dir.ts";
import { parseResolvConf } from "../../src/resolv-conf/parse.ts";
import { type ResolvConfOptions, restoreResolvConf, writeResolvConf } from "../../src/resolv-conf/rewrite.ts";
import { type ResolvConfText, render } from "../../src/resolv-conf/text.ts";

/** The lines that matter, below the header. */
const lines = (old: string, options: Partial<ResolvConfText> = {}): string[] =>
  render(parseResolvConf(old), { path: "/x", address: "127.0.0.11", servers: [], override: false, ...options })
    .split("\n")
    .slice(4, -1)
    .filter((l) => l !== "" && !l.startsWith("# Based on"));

describe("what is written", () => {
  test.each<[string, string, Partial<ResolvConfText>, string[]]>([
    [
      "search and options of the host stay, its name servers become upstreams",
      "nameserver 192.0.2.1\nnameserver fd00::1\nsearch a.example b.example\noptions edns0 trust-ad\n",
      { servers: ["192.0.2.1", "fd00::1"] },
      [
        "nameserver 127.0.0.11",
        "search a.example b.example",
        "options edns0 trust-ad ndots:0",
        "# ExtServers: [192.0.2.1 fd00::1]",
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
        "# NO EXTERNAL NAMESERVERS DEFINED",
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
        "# NO EXTERNAL NAMESERVERS DEFINED",
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
        "# NO EXTERNAL NAMESERVERS DEFINED",
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
      { search: ["b.example"], ndots: 5, servers: ["198.51.100.1"], override: true },
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

describe.skipIf(libcProblem() !== undefined)("the file", () => {
  let folder: string;
  let path: string;
  let state: StateDir;
  const now = () => readFileSync(path, "utf8");
  const OLD = "nameserver 192.0.2.1\n";
  const FOUND = { found: { upstreams: [{ address: "192.0.2.1", port: 53 }], ndots: false } };
  beforeEach(() => {
    const top = mkdtempSync(join(tmpdir(), "eleven-"));
    folder = join(top, "folder");
    mkdirSync(folder);
    path = join(folder, "resolv.conf");
    state = new StateDir(join(top, "state"));
    writeFileSync(path, OLD);
  });
  const write = (more: Partial<ResolvConfOptions> = {}) =>
    writeResolvConf({ file: path, address: "127.0.0.11", own: [], ...more }, state);
  const restore = () => restoreResolvConf(path, state);
  const kept = () => [...readdirSync(folder), ...state.names("resolv-conf")];

  test("is rewritten, its name servers are told, and it is put back in the end, with nothing beside it", () => {
    chmodSync(path, 0o640);
    expect(write()).toEqual(FOUND);
    expect(now()).toMatch(/^nameserver 127\.0\.0\.11$/m);
    expect(readdirSync(folder)).toEqual(["resolv.conf"]);
    restore();
    expect([now(), kept(), statSync(path).mode & 0o777]).toEqual([OLD, ["resolv.conf"], 0o640]);
  });

  test("is found below a root, too, and says nothing of where that is", () => {
    const file = { root: join(folder, ".."), path: "folder/resolv.conf" };
    expect(write({ file })).toEqual(FOUND);
    expect(now()).toMatch(/^# Based on file: '\/folder\/resolv\.conf' \(internal resolver\)$/m);
    restoreResolvConf(file, state);
    expect(now()).toBe(OLD);
  });

  test("comes back as it was, octet for octet", () => {
    const old = Buffer.from([...Buffer.from("search b\u00fccher.example\n# "), 0xff, 0xfe, 0, 10]);
    writeFileSync(path, old);
    write();
    expect(now()).toMatch(/^search b\u00fccher\.example$/m);
    restore();
    expect(readFileSync(path)).toEqual(old);
  });

  test("written again by the next process, it still knows the old name servers, and follows new options", () => {
    write();
    expect(write({ ndots: 3 })).toEqual(FOUND);
    expect(now()).toMatch(/^options ndots:3$/m);
    restore();
    expect(now()).toBe(OLD);
  });

  test("is ours, too, if we ended between the record of it and the file", () => {
    write();
    const first = now();
    write({ ndots: 3 });
    writeFileSync(path, first);
    expect(write({ ndots: 4 })).toEqual(FOUND);
  });

  test("that somebody has changed since is left alone, then and in the end", () => {
    write();
    const edited = now().replace("127.0.0.11", "198.51.100.7");
    writeFileSync(path, edited);
    expect(write({ ndots: 3 }).problem).toBe(
      `${path} was changed by somebody else since it was written; it is left alone`,
    );
    restore();
    expect([now(), kept()]).toEqual([edited, ["resolv.conf"]]);
  });

  test("in a directory that was made anew is a new one: its name servers are told, and it is rewritten", () => {
    write();
    renameSync(folder, `${folder}.old`); // so that its inode is not taken again
    mkdirSync(folder);
    writeFileSync(path, "nameserver 192.0.2.2\n");
    expect(write().found.upstreams).toEqual([{ address: "192.0.2.2", port: 53 }]);
    restore();
    expect(now()).toBe("nameserver 192.0.2.2\n");
  });

  test("that is missing is made, and goes again", () => {
    rmSync(path);
    expect(write()).toEqual({ found: { upstreams: [], ndots: false } });
    expect(now()).toMatch(/NO EXTERNAL NAMESERVERS/);
    restore();
    expect(kept()).toEqual([]);
  });

  test("whose directory has gone meanwhile is forgotten", () => {
    write();
    rmSync(folder, { recursive: true });
    restore();
    expect(state.names("resolv-conf")).toEqual([]);
    expect(() => write()).toThrow(`${path} is left alone: its directory is not there`);
  });

  test("is put back even if its record can't be removed: by this process, and by the next one after an end in between", () => {
    write();
    state.remove = () => {
      throw new Error("EROFS");
    };
    expect(restore).toThrow("EROFS");
    expect(now()).toBe(OLD);
    expect(write()).toEqual(FOUND);
    state = new StateDir(state.path);
    restore();
    expect([now(), kept()]).toEqual([OLD, ["resolv.conf"]]);
  });

  test("stays as it is where nothing can be remembered", () => {
    const at = join(folder, "state");
    writeFileSync(at, "");
    state = new StateDir(at);
    expect(() => write()).toThrow(`state directory ${at}: `);
    expect(now()).toBe(OLD);
  });

  test.each<[string, string, Partial<ResolvConfOptions>, string[]]>([
    [
      "loopback is not ours to ask",
      "127.0.0.53 127.0.0.11 ::1 ::ffff:127.0.0.1 0.0.0.0 :: 192.0.2.1",
      {},
      ["192.0.2.1"],
    ],
    ["nor are we ourselves", "10.0.0.9 10.0.0.8 192.0.2.1", { address: "10.0.0.9", own: ["10.0.0.8"] }, ["192.0.2.1"]],
    ["nor an interface in there", "fe80::1%eth0 fe80::1", {}, ["fe80::1"]],
    [
      "and never too many",
      "1 2 3 4 5 6 7 8 9 10".replace(/\d+/g, "192.0.2.$&"),
      {},
      "1 2 3 4 5 6 7 8".replace(/\d/g, "192.0.2.$&").split(" "),
    ],
    ["the sandbox's own come first", "192.0.2.1", { upstreams: [{ address: "198.51.100.1", port: 53 }] }, []],
  ])("what it names is asked: %s", (_, addresses, options, expected) => {
    writeFileSync(
      path,
      addresses
        .split(" ")
        .map((a) => `nameserver ${a}\n`)
        .join(""),
    );
    const { upstreams } = write(options).found;
    expect(upstreams).toEqual(expected.map((address): Upstream => ({ address, port: 53 })));
  });
});
