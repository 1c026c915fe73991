/** The runner of commands under another kernel, for each kind of guest: what comes out of it, and what stays. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { privileged } from "../namespaces.ts";
import { GUEST_DIED, type GuestOptions, inGuest, missing, TIMED_OUT } from "./guest.ts";
import { qemu } from "./qemu.ts";
import { uml } from "./uml.ts";

describe.each([
  { machine: uml, iptables: "legacy" },
  { machine: qemu, iptables: "nf_tables" },
])("a guest: $machine.name", ({ machine, iptables }) => {
  const able = privileged() && missing(machine).length === 0;

  async function run(script: string, options: GuestOptions = {}) {
    const heard = { stdout: "", stderr: "" };
    const into = (name: keyof typeof heard) =>
      new Writable({
        write(text: Buffer, _, done) {
          heard[name] += text;
          done();
        },
      });
    const status = await inGuest(machine, ["sh", "-c", script], {
      stdout: into("stdout"),
      stderr: into("stderr"),
      ...options,
    });
    return { status, ...heard };
  }

  test.skipIf(!able)("has IPVS, root's rights, the host's files, and says what the command says", async () => {
    const script =
      "id -u; test -e /proc/net/ip_vs && iptables -V; pwd; cat package.json | wc -c; echo oops >&2; exit 7";
    const size = (await readFile("package.json")).length;
    const { status, stdout, stderr } = await run(script);
    expect(stdout).toMatch(new RegExp(`^0\niptables v.* \\(${iptables}\\)\n${process.cwd()}\n${size}\n$`));
    expect({ status, stderr }).toEqual({ status: 7, stderr: "oops\n" });
  });

  test.skipIf(!able)("what it writes is gone, but for directories that are named", async () => {
    const [kept, lost] = [await mkdtemp(join(tmpdir(), "e11-kept-")), await mkdtemp(join(tmpdir(), "e11-lost-"))];
    try {
      const { status } = await run(`echo a > ${kept}/a && echo b > ${lost}/b && cat ${lost}/b`, { writable: [kept] });
      expect(status).toBe(0);
      expect(await readFile(join(kept, "a"), "utf8")).toBe("a\n");
      expect(existsSync(join(lost, "b"))).toBe(false);
    } finally {
      for (const folder of [kept, lost]) await rm(folder, { recursive: true });
    }
  });

  test.skipIf(!able)("much output arrives whole", async () => {
    const { stdout } = await run("yes 0123456789 | head -c 3000000; echo; echo end");
    expect(stdout.length).toBe(3_000_005);
    expect(stdout.endsWith("\nend\n")).toBe(true);
  });

  test.skipIf(!able)("a time limit", async () => {
    expect(await run("sleep 1000", { timeout: 8 })).toMatchObject({
      status: TIMED_OUT,
      stderr: expect.stringContaining("limit of 8 s"),
    });
  });

  test.skipIf(!able)("a kernel that dies says why", async () => {
    const { status, stderr } = await run("echo c > /proc/sysrq-trigger; sleep 100");
    expect(status).toBe(GUEST_DIED);
    expect(stderr).toContain("the guest died");
  });
});
