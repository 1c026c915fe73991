/** examples/eleven.service: what it forbids is not needed, and what it allows is. */
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type Confinement, capabilitiesOf, confined, readUnit } from "./confinement.ts";
import { dig, freePort, have, serve, stays } from "./dig.ts";
import { eventually, Namespaces, withoutNamespaces } from "./namespaces.ts";
import { ownRedirectTable } from "./owned-table.ts";

const FILE = "examples/eleven.service";
const unit = readUnit(FILE);
/** Whose files a container's may be. */
const SOMEBODY = 4711;

describe.skipIf(!have("systemd-analyze"))("the unit file", () => {
  test("says nothing that systemd does not understand", () => {
    const copy = join(mkdtempSync(join(tmpdir(), "eleven-")), "eleven.service");
    writeFileSync(copy, readFileSync(FILE, "utf8").replace("/usr/bin/eleven", "/bin/true"));
    const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", copy], { encoding: "utf8" });
    expect(stdout + stderr).toBe("");
  });

  test("leaves little open", () => {
    const words = ["security", "--offline=true", "--no-pager", FILE];
    const said = execFileSync("systemd-analyze", words, { encoding: "utf8" }).trim().split("\n").at(-1)!;
    console.log(said);
    expect(Number(/: ([\d.]+) /.exec(said)?.[1])).toBeLessThanOrEqual(3.5);
  });
});

describe.skipIf(withoutNamespaces() || !["systemd-analyze", "nft", "setpriv"].every(have))(
  "the program, confined so",
  () => {
    let ns: Namespaces;
    let folder: string;
    let conf: string;
    beforeEach(async () => {
      ns = new Namespaces();
      await ns.add("direct", "redirect");
      folder = mkdtempSync(join(tmpdir(), "eleven-"));
      mkdirSync(join(folder, "state"), { mode: 0o700 });
      const files = join(folder, "container");
      conf = join(files, "resolv.conf");
      mkdirSync(files, { mode: 0o700 });
      writeFileSync(conf, "nameserver 192.0.2.53\n", { mode: 0o600 });
      for (const path of [conf, files]) chownSync(path, SOMEBODY, SOMEBODY);
    });
    afterEach(() => ns.clean());

    async function started(confinement: Confinement = {}) {
      const writable = [join(folder, "state"), join(folder, "container")];
      const within = confined(unit, { ...confinement, writable });
      return serve(
        `upstreams: []
balance: { backend: nftables }
networks: { n: { subnet: 10.5.9.0/24 } }
services: { web: { networks: [n], replicas: 1 } }
containers: { one: { networks: [n] } }
sandboxes:
  direct: { container: one, netns: ${ns.path("direct")}, resolv_conf: ${conf} }
  redirect: { container: one, netns: ${ns.path("redirect")}, bind: redirect }
`,
        {
          within,
          env: { STATE_DIRECTORY: join(folder, "state") },
          started: (child) => onTestFinished(() => void child.kill("SIGKILL")),
        },
      );
    }

    test("answers, balances, redirects, rewrites resolv.conf, and puts everything back", async () => {
      const served = await started();
      const status = readFileSync(`/proc/${served.pid}/status`, "latin1");
      expect([/NoNewPrivs:\t1/, /Seccomp:\t2/].map((line) => line.test(status))).toEqual([true, true]);
      for (const sandbox of ["direct", "redirect"])
        for (const over of ["+notcp", "+tcp"])
          expect(await ns.exec(sandbox, "dig", "@127.0.0.11", over, "+short", "web")).toMatch(/^10\.5\.9\.\d+$/);
      await eventually(
        () => ns.exec("direct", "nft", "list", "table", "inet", "eleven"), // names wait for the kernel a second at most
        (rules) => /10\.5\.9\./.test(rules),
      );
      expect(readFileSync(conf, "utf8")).toMatch(/^nameserver 127\.0\.0\.11$/m);
      expect(served.errors()).toBe("");
      expect(await served.stop()).toBe(0);
      expect(await ns.exec("redirect", "nft", "list", "ruleset")).toBe("");
      expect(readFileSync(conf, "utf8")).toBe("nameserver 192.0.2.53\n");
    });

    test("as an agent: keeps what it is told, and reads its file again", async () => {
      const file = join(folder, "eleven.yaml");
      const port = await freePort();
      const text = (name: string) =>
        `upstreams: []\ncontrol: { socket: ${join(folder, "run", "eleven.sock")} }\nnetworks: { n: { subnet: 10.5.9.0/24 } }\ncontainers: { ${name}: { networks: [n] } }\nsandboxes: { s: { container: ${name}, listen: "127.0.0.1:${port}" } }\n`;
      mkdirSync(join(folder, "run")); // as RuntimeDirectory= does
      writeFileSync(file, text("one"));
      const served = await stays(["agent", "--config", file], {
        within: confined(unit, { writable: [join(folder, "state"), join(folder, "run")] }),
        env: { STATE_DIRECTORY: join(folder, "state") },
        started: (child) => onTestFinished(() => void child.kill("SIGKILL")),
      });
      writeFileSync(file, text("two"));
      process.kill(served.pid, "SIGHUP"); // as ExecReload= does
      await eventually(
        () => dig(port, "+short", "two"),
        (said) => said !== "",
      );
      expect(await served.stop()).toBe(0);
      expect(readFileSync(join(folder, "state", "objects", "objects.log"), "latin1")).toContain('"two"');
    });

    // What is left out of the unit's set, and what does not work then.
    test.each<[cap: string, misses: RegExp]>([
      ["CAP_SYS_ADMIN", /direct is not attached: setns .*EPERM/],
      ["CAP_NET_ADMIN", /Operation not permitted|EPERM/],
      ["CAP_NET_BIND_SERVICE", /direct is not attached: bind .*EACCES/],
      ["CAP_SETPCAP", /redirect is not attached: .*prctl PR_SET_SECUREBITS: EPERM/],
      ["CAP_DAC_OVERRIDE", /resolv\.conf is left alone: .*EACCES/],
      ["CAP_FOWNER", /resolv\.conf is left alone: .*EPERM/],
    ])("needs %s", async (cap, misses) => {
      if (cap === "CAP_SETPCAP") await ownRedirectTable(ns.path("redirect")); // it is for tools: for iptables, say
      const served = await started({ capabilities: capabilitiesOf(unit).filter((c) => c !== cap) });
      await eventually(served.errors, (text) => misses.test(text));
    });

    test.each([
      ["with CAP_CHOWN a rewritten file stays its owner's", [], SOMEBODY],
      ["and without it is ours", ["CAP_CHOWN", "CAP_FOWNER"], 0],
    ])("%s", async (_, without, owner) => {
      await started({ capabilities: capabilitiesOf(unit).filter((c) => !without.includes(c)) });
      expect([statSync(conf).uid, readFileSync(conf, "utf8")]).toEqual([owner, expect.stringMatching(/127\.0\.0\.11/)]);
    });

    test("legacy iptables, which is needed where there is no nftables, needs CAP_NET_RAW", ({ skip }) => {
      const list = (...within: string[]) => {
        const words = ["netns", "exec", ns.name("direct"), ...within, "/usr/sbin/iptables-legacy", "-t", "nat", "-S"];
        return spawnSync("ip", words, { encoding: "utf8" }).status;
      };
      if (list() !== 0) skip("this kernel or this machine has none");
      const without = capabilitiesOf(unit).filter((c) => c !== "CAP_NET_RAW");
      expect(list(...confined(unit, { writable: ["/run"] }))).toBe(0);
      expect(list(...confined(unit, { writable: ["/run"], capabilities: without }))).not.toBe(0);
    });
  },
);
