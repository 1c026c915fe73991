import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseResolvConf, resolvConfUpstreams } from "../../src/resolv-conf/parse.ts";
import { type ResolvConfChange, watchResolvConf } from "../../src/resolv-conf/watch.ts";

describe("parsing", () => {
  test.each([
    ["empty", "", {}],
    [
      "servers, in order, more than three",
      "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4",
      { nameservers: ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] },
    ],
    ["IPv6, canonical", "nameserver FD00:0::1", { nameservers: ["fd00::1"] }],
    ["link-local keeps its scope", "nameserver fe80::1%eth0", { nameservers: ["fe80::1%eth0"] }],
    ["any other loses it", "nameserver fd00::1%eth0", { nameservers: ["fd00::1"] }],
    [
      "no addresses",
      "nameserver ns.example\nnameserver 192.0.2.256\nnameserver 192.0.2.1%eth0",
      { invalid: ["ns.example", "192.0.2.256", "192.0.2.1%eth0"] },
    ],
    [
      "comments, spaces, tabs, CR",
      "# nameserver 192.0.2.1\n; x\n\n  nameserver\t192.0.2.2  # why\r\n",
      { nameservers: ["192.0.2.2"] },
    ],
    ["the last search wins", "search a b\nsearch c d", { search: ["c", "d"] }],
    ["domain is search", "search a b\ndomain c", { search: ["c"] }],
    ["a dot clears", "search a b\nsearch .", { search: [] }],
    ["a keyword alone changes nothing", "search a\nsearch\nnameserver\noptions", { search: ["a"] }],
    ["options add up", "options ndots:2 rotate\noptions edns0", { options: ["ndots:2", "rotate", "edns0"] }],
    [
      "unknown keywords",
      "sortlist 192.0.2.0\n lookup file bind",
      { other: ["sortlist 192.0.2.0", "lookup file bind"] },
    ],
  ])("%s", (_name, text, expected) => {
    expect(parseResolvConf(text)).toEqual({
      nameservers: [],
      search: [],
      options: [],
      invalid: [],
      other: [],
      ...expected,
    });
  });

  test("an over-long line", () => {
    expect(() => parseResolvConf(`search ${"a".repeat(65536)}`)).toThrow("line too long (exceeds 65536)");
  });
});

test("upstreams: each once, none of our own, not the embedded resolver", () => {
  const conf = parseResolvConf(
    "nameserver 127.0.0.11\nnameserver 192.0.2.1\nnameserver 192.0.2.9\nnameserver 192.0.2.1",
  );
  const filter = { isOwn: (a: string) => a === "192.0.2.9" };
  expect(resolvConfUpstreams(conf, filter)).toEqual([{ address: "192.0.2.1", port: 53 }]);
  expect(resolvConfUpstreams(conf, { ...filter, allowEmbedded: true }).map((u) => u.address)).toEqual([
    "127.0.0.11",
    "192.0.2.1",
  ]);
});

describe("watching", () => {
  let folder = "";
  let path = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "resolv-"));
    path = join(folder, "resolv.conf");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (file: string, address: string) => writeFileSync(file, `nameserver ${address}\n`);
  const show = ({ upstreams, problem }: ResolvConfChange) =>
    [...upstreams.map((u) => u.address), ...(problem === undefined ? [] : [problem.replace(folder, "…")])].join(" ");

  test("edits, renames, links, disappearance", () => {
    write(path, "192.0.2.1");
    const seen: string[] = [];
    const watch = watchResolvConf(path, (change) => seen.push(show(change)), { isOwn: (a) => a === "192.0.2.99" });
    const upon = (change: () => void) => {
      change();
      watch.check();
      return seen.splice(0).join(" | ");
    };
    expect(show(watch.current)).toBe("192.0.2.1");
    expect(upon(() => {})).toBe("");
    expect(upon(() => write(path, "192.0.2.2"))).toBe("192.0.2.2");
    expect(upon(() => write(path, "192.0.2.2"))).toBe("");
    expect(
      upon(() => {
        write(`${path}.new`, "192.0.2.3");
        renameSync(`${path}.new`, path);
      }),
    ).toBe("192.0.2.3");
    expect(upon(() => unlinkSync(path))).toBe("192.0.2.3 can't read …/resolv.conf: ENOENT");
    expect(upon(() => {})).toBe("");
    expect(
      upon(() => {
        write(`${path}.stub`, "192.0.2.4");
        symlinkSync(`${path}.stub`, path);
      }),
    ).toBe("192.0.2.4");
    expect(upon(() => write(`${path}.stub`, "192.0.2.5"))).toBe("192.0.2.5");
    expect(upon(() => writeFileSync(path, ""))).toBe("192.0.2.5 …/resolv.conf is empty");
    expect(upon(() => writeFileSync(path, "x".repeat(70_000)))).toBe("192.0.2.5 line too long (exceeds 65536)");
    expect(upon(() => write(path, "192.0.2.99"))).toBe("");
    watch.close();
  });

  test("by itself, from time to time", async () => {
    const changed = new Promise<ResolvConfChange>((resolve) => {
      const watch = watchResolvConf(
        path,
        (change) => {
          watch.close();
          resolve(change);
        },
        { intervalMs: 5 },
      );
      expect(show(watch.current)).toBe("can't read …/resolv.conf: ENOENT");
      write(path, "192.0.2.1");
    });
    const open = setInterval(() => {}, 1000); // the watch alone keeps no process alive
    expect(show(await changed)).toBe("192.0.2.1");
    clearInterval(open);
  });
});
