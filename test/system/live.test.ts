/** The built command while its files are edited under it: what dig says, what the log says, and that no question is lost. */
import { execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { query } from "../support/packets.ts";
import { dig, freePort, have, serve, stays } from "./dig.ts";
import { eventually, Namespaces, withoutNamespaces } from "./namespaces.ts";

const run = promisify(execFile);

const NET = "upstreams: []\nnetworks: { n: { subnet: 10.0.1.0/24 } }\n";
const sandbox = (port: number) =>
  `containers: { c: { networks: [n] } }\nsandboxes: { s: { container: c, listen: "127.0.0.1:${port}" } }\n`;
const web = (replicas: number) => `services: { web: { networks: [n], replicas: ${replicas} } }\n`;
const tasks = async (port: number) =>
  (await dig(port, "+short", "tasks.web")).trim().split("\n").filter(Boolean).length;
const messages = (errors: string): string[] =>
  errors
    .split("\n")
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { message: string }).message);

describe.skipIf(!have("dig"))("edits", () => {
  const started = async (config: (port: number) => string) => {
    const port = await freePort();
    const served = await serve(config(port));
    onTestFinished(() => void served.stop("SIGKILL"));
    return { ...served, port, edit: (text: string) => writeFileSync(served.file, text) };
  };

  test("are in force by themselves, and nothing else moves", async () => {
    const { port, edit, errors } = await started((port) => NET + sandbox(port) + web(1));
    const before = await dig(port, "+short", "web", "c");
    edit(NET + sandbox(port) + web(3));
    await eventually(
      () => tasks(port),
      (n) => n === 3,
    );
    expect(await dig(port, "+short", "web", "c")).toBe(before);
    expect(messages(errors())).toEqual(["config: objects that changed: 2 (revision 2)"]);
  });

  test("that are bad are refused whole, with everything that is wrong, and the old answers go on", async () => {
    const { port, edit, errors, stop } = await started((port) => NET + sandbox(port) + web(1));
    edit(
      `${NET}${sandbox(port)}services:\n  web: { networks: [m], replicas: 3 }\n  api: { netwroks: [n] }\n  db: { networks: [o] }\n`,
    );
    await eventually(
      () => messages(errors()),
      (said) => said.length === 5,
    );
    const file = /^\S*config\.yaml:\d+:\d+: /;
    expect(messages(errors()).map((line) => line.replace(file, ""))).toEqual([
      expect.stringMatching(/problems: 4$/),
      'services.web: service web: there is no network "m"',
      "services.api.networks: is missing",
      "services.api.netwroks: is no key that is known here",
      'services.db: service db: there is no network "o"',
    ]);
    expect(await tasks(port)).toBe(1);
    edit(NET + sandbox(port) + web(2));
    await eventually(
      () => tasks(port),
      (n) => n === 2,
    );
    expect(await stop()).toBe(0);
  });

  test("after which nothing would listen are bad ones", async () => {
    const { port, edit, errors } = await started((port) => NET + sandbox(port) + web(1));
    edit(NET + web(2));
    await eventually(errors, (text) => /nothing listens: a sandbox needs a netns/.test(text));
    expect(await tasks(port)).toBe(1);
  });

  test("sandboxes come, go and move", async () => {
    const { port, edit } = await started((port) => NET + sandbox(port) + web(1));
    const other = await freePort();
    edit(NET + sandbox(other) + web(1));
    await eventually(
      () => dig(other, "+short", "+tries=1", "+time=1", "c").catch(() => ""),
      (text) => /^10\.0\.1\./.test(text),
    );
    await eventually(
      () => dig(port, "+short", "+tries=1", "+time=1", "c").catch(() => "none"),
      (text) => text === "none",
    );
  });

  test("HUP reads again and says so; QUIT says how everything stands; both go on", async () => {
    const { port, edit, errors, pid, stop } = await started((port) => NET + sandbox(port) + web(1));
    process.kill(pid, "SIGHUP");
    await eventually(errors, (text) => text.includes("config read again: nothing is another"));
    edit(`networks: 5\nservices: 6\n${sandbox(port)}`);
    await eventually(errors, (text) => text.includes("problems: 2"));
    process.kill(pid, "SIGQUIT");
    await eventually(errors, (text) => /config refused: .*services/.test(text));
    const block = messages(errors())
      .filter((line) => /^(state|problem|balance|upstream|config|config refused): /.test(line))
      .slice(-9);
    expect(block.map((line) => line.replace(/\d{4}-\S+Z/, "TIME").replace(/\/\S+config/, "config"))).toEqual([
      expect.stringMatching(/^state: revision 1, up \d+ s$/),
      "state: 1 networks, 1 services, 1 tasks, 1 containers, 1 sandboxes",
      "problem: none",
      "balance: none",
      "upstream: none",
      "config: config.yaml, read TIME",
      "config: in force after a restart only: none",
      "config refused: TIME: config.yaml:1:11: networks: must be a mapping",
      "config refused: TIME: config.yaml:2:11: services: must be a mapping",
    ]);
    expect(await tasks(port)).toBe(1);
    expect(await stop("SIGINT")).toBe(0);
  });

  test.each(["standard input", "a pipe"])("of %s there are none: it is read once", async (what) => {
    const port = await freePort();
    const text = NET + sandbox(port) + web(2);
    const pipe = join(mkdtempSync(join(tmpdir(), "eleven-")), "pipe");
    await run("mkfifo", [pipe]);
    const served = await (what === "a pipe"
      ? Promise.all([stays(["serve", pipe]), writeFile(pipe, text)]).then(([is]) => is)
      : stays(["serve", "-"], { input: text }));
    onTestFinished(() => void served.stop("SIGKILL"));
    process.kill(served.pid, "SIGHUP");
    await eventually(served.errors, (said) => said.includes("nothing is another"));
    expect([await tasks(port), await served.stop()]).toEqual([2, 0]);
  });

  test("of a directory: a file comes, a file goes; Kubernetes swaps them all", async () => {
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), "eleven-"));
    const volume = (name: string, files: Record<string, string>) => {
      mkdirSync(join(directory, name));
      for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, name, file), text);
      symlinkSync(name, join(directory, "..tmp"));
      renameSync(join(directory, "..tmp"), join(directory, "..data"));
    };
    volume("..1", { "a.yaml": NET + sandbox(port), "b.yaml": web(1) });
    for (const file of ["a.yaml", "b.yaml"]) symlinkSync(`..data/${file}`, join(directory, file));
    const served = await stays(["serve", directory]);
    onTestFinished(() => void served.stop("SIGKILL"));
    expect(await tasks(port)).toBe(1);
    volume("..2", { "a.yaml": NET + sandbox(port), "b.yaml": web(2) });
    await eventually(
      () => tasks(port),
      (n) => n === 2,
    );
    writeFileSync(join(directory, "c.yml"), "containers: { late: { networks: [n] } }");
    await eventually(
      () => dig(port, "+short", "late"),
      (text) => text !== "",
    );
    for (const file of ["b.yaml", "c.yml"]) rmSync(join(directory, file));
    await eventually(
      async () => [await tasks(port), await dig(port, "+short", "late")],
      ([n, late]) => n === 0 && late === "",
    );
    expect(await served.stop()).toBe(0);
  });
});

describe.skipIf(!have("dig"))("eleven agent", () => {
  test("keeps what its files said, addresses and all, and goes on from there", async () => {
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), "eleven-"));
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    mkdirSync(join(directory, "conf.d"));
    const agent = async () => {
      const served = await stays(["agent", "--config", join(directory, "conf.d")], {
        env: { STATE_DIRECTORY: join(directory, "state") },
      });
      onTestFinished(() => void served.stop("SIGKILL"));
      return served;
    };
    write("conf.d/a.yaml", NET + sandbox(port));
    write("conf.d/b.yaml", "containers: { late: { networks: [n] }, later: { networks: [n] } }");
    const first = await agent();
    const later = await dig(port, "+short", "later");
    expect(later).toBe("10.0.1.4\n");
    expect(await first.stop()).toBe(0);
    write("conf.d/b.yaml", "containers: { later: { networks: [n] } }");
    const second = await agent();
    expect([await dig(port, "+short", "late"), await dig(port, "+short", "later")]).toEqual(["", later]);
    expect(await second.stop()).toBe(0);
  });

  test("starts with nothing at all", async () => {
    const served = await stays(["agent"], { env: { STATE_DIRECTORY: mkdtempSync(join(tmpdir(), "eleven-")) } });
    expect(served.line).toMatch(/no sandboxes, nothing listens$/);
    await eventually(served.errors, (text) =>
      text.includes("nothing listens yet: sandboxes come with files or through the API"),
    );
    expect(await served.stop()).toBe(0);
  });

  test("goes on where a sandbox can't listen, and says so; serve does not", async () => {
    const port = await freePort();
    const first = await serve(NET + sandbox(port));
    onTestFinished(() => void first.stop("SIGKILL"));
    const agent = await stays(["agent", "--config", first.file], {
      env: { STATE_DIRECTORY: mkdtempSync(join(tmpdir(), "eleven-")) },
    });
    onTestFinished(() => void agent.stop("SIGKILL"));
    expect(agent.line).toMatch(/s not yet$/);
    await expect(serve(NET + sandbox(port))).rejects.toThrow(/can't listen/);
    expect(await agent.stop()).toBe(0);
  });
});

/** Ids of processes with this command line. */
const running = (command: string): string[] =>
  readdirSync("/proc").filter((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").replaceAll("\0", " ").trim() === command;
    } catch {
      return false; // no process, or one that has gone
    }
  });

describe.skipIf(!have("script"))("a terminal that is closed", () => {
  test("ends serve, which was started on it", async () => {
    const port = await freePort();
    const file = join(mkdtempSync(join(tmpdir(), "eleven-")), "config.yaml");
    writeFileSync(file, NET + sandbox(port));
    const child = spawn("script", ["-qefc", `${process.execPath} dist/main.js serve ${file}`, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    const [pid] = running(`${process.execPath} dist/main.js serve ${file}`);
    expect(pid).toBeDefined();
    child.kill("SIGKILL");
    await eventually(
      () => running(`${process.execPath} dist/main.js serve ${file}`),
      (pids) => pids.length === 0,
    );
  });
});

describe.skipIf(withoutNamespaces())("serve --netns", () => {
  test("takes a file with resolv_conf and bind: redirect", async () => {
    const ns = new Namespaces();
    onTestFinished(() => ns.clean());
    await ns.add("only");
    ns.writeResolvConf("only", "nameserver 192.0.2.53\n");
    const text = `${NET}containers: { c: { networks: [n] } }\nsandboxes: { s: { container: c, bind: redirect, resolv_conf: ${ns.resolvConf("only")} } }\n`;
    const served = await serve(text, { args: ["--netns", ns.name("only")] });
    onTestFinished(() => void served.stop("SIGKILL"));
    expect(await ns.exec("only", "dig", "@127.0.0.11", "+short", "c")).toBe("10.0.1.2");
    expect(ns.readResolvConf("only")).toMatch(/^nameserver 127\.0\.0\.11$/m);
    writeFileSync(served.file, text.replace("c: {", "d: {").replace("container: c", "container: d"));
    await eventually(
      () => ns.exec("only", "dig", "@127.0.0.11", "+short", "d"),
      (said) => said !== "",
    );
    expect(await served.stop()).toBe(0);
    expect(ns.readResolvConf("only")).toBe("nameserver 192.0.2.53\n");
  });
});

describe.skipIf(!have("dnsperf"))("while dnsperf asks", () => {
  test("1 000 reloads, each of which is seen to be in force, lose no question", async () => {
    const port = await freePort();
    const config = (n: number) =>
      `${NET}${sandbox(port).replace("{ c:", `{ r${n}: { networks: [n] }, c:`)}services: { web: { networks: [n], replicas: ${(n % 5) + 1} }, other${n % 7}: { networks: [n] } }\n`;
    const served = await serve(config(0));
    onTestFinished(() => void served.stop("SIGKILL"));
    writeFileSync(`${served.file}.queries`, "web. A\ntasks.web. A\nc. A\n");
    const perf = spawn("dnsperf", [
      "-s",
      "127.0.0.1",
      "-p",
      `${port}`,
      "-d",
      `${served.file}.queries`,
      "-Q",
      "2000",
      "-l",
      "110",
    ]);
    let output = "";
    perf.stdout.on("data", (text) => {
      output += text;
    });
    const client = connected(port);
    for (let n = 1; n <= 1_000; n++) {
      writeFileSync(`${served.file}.new`, config(n));
      renameSync(`${served.file}.new`, served.file);
      process.kill(served.pid, "SIGHUP");
      await client.until(`r${n} A`);
    }
    perf.kill("SIGINT");
    await once(perf, "close");
    expect(/Queries sent:\s+(\d+)/.exec(output)?.[1]).toMatch(/\d{4}/);
    expect(/Queries lost:\s+(\d+)/.exec(output)?.[1]).toBe("0");
  }, 120_000);
});

/** Asks until the name is there; each question that is sent is answered first. */
function connected(port: number) {
  const socket = createSocket("udp4");
  onTestFinished(() => void socket.close());
  return {
    async until(question: string): Promise<void> {
      for (;;) {
        const answered = once(socket, "message", { signal: AbortSignal.timeout(5_000) });
        socket.send(query(question), port, "127.0.0.1");
        const [packet] = (await answered) as [Buffer];
        if ((packet[3]! & 15) === 0) return;
      }
    },
  };
}
