/** A container's resolv.conf, which root in there may turn into anything, before we write it, while we do, and afterwards. */
import { spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { StateDir } from "../../src/os/state-dir.ts";
import { restoreResolvConf, writeResolvConf } from "../../src/resolv-conf/rewrite.ts";
import { type Served, serve } from "../system/dig.ts";
import { withoutNamespaces } from "../system/namespaces.ts";
import { Canary, Containers } from "./container.ts";

interface Attack {
  /** What it tries. */
  readonly tries: string;
  /** Shell, as the container's root, in its root directory; $canary is the host's folder. */
  readonly script: string;
  /** What is said of it; missing: nothing, it is rewritten as any other. */
  readonly said?: RegExp;
  /** Beneath the root directory. */
  readonly path?: string;
}

const AS_MADE = "mkdir -p etc; echo nameserver 192.0.2.1 > etc/resolv.conf";

const ATTACKS: readonly Attack[] = [
  {
    tries: "a link to a file of the host's, to have it read and overwritten",
    script: "mkdir etc; ln -s $canary/kept etc/resolv.conf",
    said: /there is a symbolic link on the way/,
  },
  {
    tries: "a link to a file that is not there, to have it made",
    script: "mkdir etc; ln -s $canary/never etc/resolv.conf",
    said: /there is a symbolic link on the way/,
  },
  {
    tries: "a link as a directory on the way",
    script: "ln -s $canary etc",
    path: "etc/kept",
    said: /there is a symbolic link on the way/,
  },
  {
    tries: "a magic link of /proc on the way",
    script: "ln -s /proc/1/root$canary etc",
    path: "etc/kept",
    said: /there is a symbolic link on the way/,
  },
  {
    tries: "another name for a file of the host's",
    script: "mkdir etc; ln $canary/kept etc/resolv.conf",
    said: /it has other names, too \(hard links\)/,
  },
  { tries: "a FIFO, to be waited for", script: "mkdir etc; mkfifo etc/resolv.conf", said: /it is no regular file/ },
  {
    tries: "a device that never ends",
    script: "mkdir etc; mknod etc/resolv.conf c 1 5",
    said: /it is no regular file/,
  },
  {
    tries: "a socket",
    script: `mkdir etc; ${process.execPath} -e 'require("net").createServer().listen("etc/resolv.conf", () => process.exit())'; test -S etc/resolv.conf`,
    said: /it is no regular file/,
  },
  { tries: "a directory", script: "mkdir -p etc/resolv.conf", said: /it is no regular file/ },
  {
    tries: "a file without end",
    script: "mkdir etc; truncate -s 100G etc/resolv.conf",
    said: /it is larger than 65536 octets/,
  },
  { tries: "nothing there at all", script: "true", said: /its directory is not there/ },
  {
    tries: "what an earlier version of ours kept beside the file, as a link: its words would appear in the new file",
    script: `${AS_MADE}; ln -s $canary/kept etc/resolv.conf.before-eleven`,
  },
];

/** A name server in the namespace alone: it knows nothing, and says so. */
const SERVER = `const udp = require("dgram").createSocket("udp4");
udp.on("message", (q, p) => { q[2] |= 0x80; q[3] = 3; udp.send(q, p.port, p.address); });
udp.bind(53, "192.0.2.1", () => console.log("up"));`;

const FORMS = [
  ["a path", (root: string, path: string) => `${root}/${path}`],
  ["a path below a root", (root: string, path: string) => `{ root: ${root}, path: ${path} }`],
] as const;

const CASES = ATTACKS.flatMap((attack, i) =>
  FORMS.map(([form, written], j) => ({ ...attack, form, written, at: `${"ab"[j]}${i}` })),
);

describe.skipIf(withoutNamespaces())("resolv_conf", () => {
  const containers = new Containers();
  const canary = new Canary();
  const roots = mkdtempSync(join(tmpdir(), "eleven-roots-"));
  const root = (short: string) => join(roots, short);
  const file = (short: string, path = "etc/resolv.conf") => join(root(short), path);
  const attack = (short: string, script: string) =>
    containers.attack(short, `canary=${canary.folder}; cd ${root(short)}; ${script}`);
  const ask = (short: string) => containers.exec(short, "dig", "@127.0.0.11", "+time=2", "+tries=1", "+short", "hello");
  const sandbox = (short: string, resolvConf: string) =>
    `  ${short}: { container: c, netns: "${containers.path(short)}", resolv_conf: ${resolvConf} }\n`;
  const OLD = "nameserver 127.88.0.9\nnameserver 192.0.2.1\n";
  let served: Served;
  let listener: Socket;
  let asked = 0;

  beforeAll(async () => {
    for (const { at, script } of CASES) {
      await containers.add(at);
      mkdirSync(root(at));
      attack(at, script);
    }
    await containers.add("good", "late");
    for (const short of ["good", "late"]) {
      mkdirSync(dirname(file(short)), { recursive: true });
      writeFileSync(file(short), OLD);
    }
    for (const words of ["link set lo up", "addr add 192.0.2.1/32 dev lo"]) await containers.ip(`-n @good ${words}`);
    await containers.start("good", process.execPath, "-e", SERVER);
    listener = createSocket("udp4").on("message", () => asked++);
    listener.bind(53, "127.88.0.9");
    await once(listener, "listening");
    served = await serve(`
upstreams: []
networks: { n: { subnet: 10.77.3.0/24 } }
containers: { c: { networks: [n] }, hello: { networks: { n: { ip: 10.77.3.7 } } } }
sandboxes:
${CASES.map(({ at, written, path = "etc/resolv.conf" }) => sandbox(at, written(root(at), path))).join("")}\
${sandbox("good", file("good"))}${sandbox("late", `{ root: ${root("late")}, path: etc/resolv.conf }`)}`);
  });
  afterAll(async () => {
    await served?.stop();
    containers.clean();
    listener?.close();
    canary.remove();
    rmSync(roots, { recursive: true, force: true });
  });

  test.each(CASES)("$tries ($form): nothing is touched, the reason is said, its questions are answered", async (c) => {
    canary.untouched();
    const about = served
      .errors()
      .split("\n")
      .filter((line) => line.includes(`sandbox ${c.at}: `));
    expect(about).toEqual(c.said === undefined ? [] : [expect.stringMatching(c.said)]);
    if (c.said === undefined) expect(readFileSync(file(c.at), "utf8")).toMatch(/^nameserver 127\.0\.0\.11$/m);
    for (const text of [served.errors(), c.said === undefined ? readFileSync(file(c.at), "utf8") : ""])
      expect(text).not.toMatch(/untouched/);
    expect(await ask(c.at)).toBe("10.77.3.7");
  });

  test("others are served and rewritten all the while", async () => {
    expect(readFileSync(file("good"), "utf8")).toMatch(/^nameserver 127\.0\.0\.11$/m);
    expect(await ask("good")).toBe("10.77.3.7");
  });

  test("name servers in it are asked from the namespace, where they are somebody else: the host never asks", async () => {
    const ask = (short: string) => containers.exec(short, "dig", "@127.0.0.11", "+time=3", "+tries=1", "www.example");
    expect(await ask("good")).toMatch(/status: NXDOMAIN/);
    await ask("late");
    expect(asked).toBe(0);
    expect(readFileSync(file("good"), "utf8")).toMatch(/^# ExtServers: \[192\.0\.2\.1\]$/m);
  });

  test("a link put there after we wrote, for the end: nothing is touched, and the others' files are as before", async () => {
    attack("late", "ln -sf $canary/kept etc/resolv.conf");
    expect(await served.stop()).toBe(0);
    canary.untouched();
    expect(lstatSync(file("late")).isSymbolicLink()).toBe(true);
    expect(served.errors()).toMatch(/late\/etc\/resolv\.conf is left alone: there is a symbolic link on the way/);
    expect(readFileSync(file("good"), "utf8")).toBe(OLD);
  });

  test("a file that is mounted into a container, as Docker does it, is written in place and stays mounted", async () => {
    const [own, at] = [join(roots, "own"), file("good", "etc/mounted")];
    for (const path of [own, at]) writeFileSync(path, OLD);
    const state = new StateDir(join(roots, "state-mounted"));
    const script = `mount --bind ${own} ${at} && echo mounted && exec sleep 60`;
    const container = spawn("unshare", ["--mount", "sh", "-c", script], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void container.kill("SIGKILL"));
    await once(container.stdout, "data");
    const place = { root: `/proc/${container.pid}/root`, path: at.slice(1) };
    writeResolvConf({ file: place, address: "127.0.0.11", own: [] }, state);
    for (const path of [own, `/proc/${container.pid}/root${at}`])
      expect(readFileSync(path, "utf8")).toMatch(/^nameserver 127\.0\.0\.11$/m);
    expect(readFileSync(at, "utf8")).toBe(OLD); // what it is mounted over
    restoreResolvConf(place, state);
    expect(readFileSync(own, "utf8")).toBe(OLD);
  });

  test.each([
    {
      what: "the file",
      path: "etc/resolv.conf",
      prepare: "ln -s $canary/kept link; cp etc/resolv.conf plain",
      turn: 'swap("etc/resolv.conf", "link")',
    },
    {
      what: "its directory",
      path: "etc/kept",
      prepare: "ln -s $canary link; mv etc/resolv.conf etc/kept",
      turn: 'swap("etc", "link")',
    },
  ])(
    "$what is a link and none by turns, while it is rewritten 200 times: no host's file is touched",
    async ({ what, path, prepare, turn }) => {
      const at = what === "the file" ? "race1" : "race2";
      await containers.add(at);
      mkdirSync(join(root(at), "etc"), { recursive: true });
      writeFileSync(file(at), OLD);
      attack(at, prepare);
      const swap = `const { renameSync } = require("fs"); console.log("go");
        const quietly = (work) => { try { work(); } catch {} };
        const swap = (a, b) => [[a, "t"], [b, a], ["t", b]].forEach(([x, y]) => quietly(() => renameSync(x, y)));
        for (;;) ${turn}`;
      await containers.attacking(at, `cd ${root(at)}; exec ${process.execPath} -e '${swap}'`);
      const state = new StateDir(join(roots, `state-${at}`));
      const place = { root: root(at), path };
      const outcomes = new Map<string, number>();
      const deadline = Date.now() + 30_000;
      for (let round = 0; round < 200 || outcomes.size < 2; round++) {
        let outcome = "written";
        try {
          writeResolvConf({ file: place, address: "127.0.0.11", own: [], ndots: round }, state);
          if (round % 3 === 0) restoreResolvConf(place, state);
        } catch (error) {
          outcome = (error as Error).message.replace(/.*is left alone: /, "");
        }
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        canary.untouched();
        expect(Date.now()).toBeLessThan(deadline);
      }
      expect(outcomes.get("written")).toBeGreaterThan(0);
      console.log(what, Object.fromEntries(outcomes));
    },
  );
});
