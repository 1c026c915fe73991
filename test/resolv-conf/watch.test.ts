import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ResolvConfChange, watchResolvConf } from "../../src/resolv-conf/watch.ts";

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
