/** What comes to the process from outside the network: a log that nobody takes, signals, a debugger that is asked for. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { have, type Served, type ServeOptions, serve } from "../system/dig.ts";
import { eventually, withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";

const NOTHING = "upstreams: []\n";
/** The least that is served, on an address of its own. */
const LITTLE = `${NOTHING}networks: { n: {} }
containers: { one: { networks: [n] } }
sandboxes: { s: { container: one, listen: "127.0.0.77:0" } }
`;
const ITS_ADDRESS = "4D00007F:";

/** A pipe, as its reader has it, and the descriptor to write to it. */
function pipe(): { readonly reader: number; readonly writer: number } {
  const path = join(mkdtempSync(join(tmpdir(), "eleven-")), "pipe");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return { reader, writer: openSync(path, constants.O_WRONLY) };
}

/** Everything that is in it now. */
function readAll(reader: number): string {
  const part = Buffer.alloc(1 << 16);
  let text = "";
  try {
    for (;;) text += part.toString("latin1", 0, readSync(reader, part));
  } catch {} // EAGAIN
  return text;
}

function fill(reader: number): void {
  const much = Buffer.alloc(4096, "x");
  try {
    for (;;) writeSync(reader, much);
  } catch {} // EAGAIN: not one octet more
}

/** Places where a log may end up, and that take nothing. */
const TAKES_NOTHING: Record<string, () => number> = {
  "a disk that is full": () => openSync("/dev/full", "w"),
  "a pipe whose reader has gone": () => {
    const { reader, writer } = pipe();
    closeSync(reader);
    return writer;
  },
  "a pipe that nobody reads, full to the brim": () => {
    const { reader, writer } = pipe();
    fill(reader);
    return writer;
  },
};

async function started(config: string, options: ServeOptions = {}): Promise<Served> {
  return serve(config, {
    ...options,
    started: (child) => {
      onTestFinished(() => void child.kill("SIGKILL"));
      options.started?.(child);
    },
  });
}

describe.skipIf(withoutNamespaces() || !have("nft"))("a container makes us log", () => {
  let containers: Containers;
  beforeEach(async () => {
    containers = new Containers();
    await containers.add("a", "b");
  });
  afterEach(() => containers.clean());
  const sandboxes = () => `${NOTHING}networks: { n: {} }
containers: { one: { networks: [n] } }
sandboxes:
  a: { container: one, netns: ${containers.path("a")}, bind: redirect }
  b: { container: one, netns: ${containers.path("b")} }
`;
  const FLUSH =
    "for i in 1 2; do until nft list tables | grep -q eleven_dns; do sleep 0.05; done; nft flush ruleset; done";

  test.each(Object.keys(TAKES_NOTHING))(
    "its rules are flushed again and again, and the log goes to %s: names are answered, and SIGTERM ends it cleanly",
    async (place) => {
      const stderr = TAKES_NOTHING[place]!();
      const served = await started(sandboxes(), { stderr });
      closeSync(stderr);
      containers.attack("a", FLUSH);
      for (const sandbox of ["a", "b"])
        await eventually(
          () => containers.exec(sandbox, "dig", "@127.0.0.11", "+short", "+tries=1", "+time=1", "one"),
          (answer) => /^10\./.test(answer),
          30_000, // its redirect is put right ever more slowly
        );
      expect(await served.stop()).toBe(0);
      expect(await containers.exec("a", "nft", "list", "ruleset")).toBe("");
    },
  );

  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s ends it cleanly, other signals do not: nothing of it is left",
    async (signal) => {
      const served = await started(sandboxes());
      for (const other of ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const) process.kill(served.pid, other);
      await eventually(served.errors, (text) =>
        [/nothing is another/, /up \d+ s/, /USR2/].every((said) => said.test(text)),
      );
      expect(await containers.exec("a", "nft", "list", "tables")).toMatch(/eleven_dns/);
      expect(await served.stop(signal)).toBe(0);
      expect(await containers.exec("a", "nft", "list", "ruleset")).toBe("");
    },
  );
});

describe("a log that was not taken", () => {
  /** Each is said once: its namespace is not there. */
  const noisy = (count: number) => `${NOTHING}networks: { n: {} }
containers: { one: { networks: [n] } }
sandboxes:
${Array.from({ length: count }, (_, i) => `  s${i}: { container: one, netns: /nowhere/${i} }`).join("\n")}
`;

  test("is taken again: what waited comes, whole lines, and how many did not", async () => {
    const { reader, writer } = pipe();
    fill(reader);
    const served = await started(noisy(290), { stderr: writer });
    closeSync(writer);
    let text = "";
    await eventually(
      () => {
        text += readAll(reader).replace(/^x+/, "");
        return text;
      },
      (all) => /lost/.test(all),
    );
    const messages = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).message as string);
    expect(messages.filter((m) => /^sandbox s\d+ is not attached/.test(m))).toHaveLength(256);
    expect(messages.at(-1)).toBe("log lines lost, because nothing took them: 34");
    expect(await served.stop()).toBe(0);
  });

  test("and what is said again and again is one line, and how often", async () => {
    const code = `import { log } from "${new URL("../../dist/commands/log.js", import.meta.url).href}";
      for (let i = 0; i < 5; i++) log("x");
      process.stdin.resume();`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["pipe", "ignore", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let text = "";
    child.stderr.on("data", (part) => {
      text += part;
    });
    const lines = await eventually(
      () => text.trim().split("\n"),
      (all) => all.length === 2,
      20_000,
    );
    expect(lines.map((line) => JSON.parse(line).repeated)).toEqual([undefined, 4]);
  });

  test("costs no descriptor and little memory, however long it goes on", async () => {
    const { reader, writer } = pipe();
    fill(reader);
    const code = `import { log } from "${new URL("../../dist/commands/log.js", import.meta.url).href}";
      for (let i = 0; i < 2e5; i++) log("x".repeat(3000) + i);
      console.log(process.memoryUsage().rss);`;
    const rss = execFileSync(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", writer],
    });
    expect(Number(rss)).toBeLessThan(200 << 20);
  });

  test("does not keep an error that nobody catches from ending the process", async () => {
    const { reader, writer } = pipe();
    fill(reader);
    const code = `import { logEverything } from "${new URL("../../dist/commands/log.js", import.meta.url).href}";
      logEverything();
      setTimeout(() => { throw new Error("boom"); }, 1);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "ignore", writer] });
    expect((await once(child, "exit"))[0]).toBe(1);
  });

  test("nor is standard output: the line that says where it listens", async () => {
    const { reader, writer } = pipe();
    const file = join(mkdtempSync(join(tmpdir(), "eleven-")), "config.yaml");
    writeFileSync(file, noisy(1));
    const child = spawn(process.execPath, ["dist/main.js", "serve", file], {
      stdio: ["ignore", openSync("/dev/full", "w"), writer],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await eventually(
      () => readAll(reader),
      (text) => /not attached/.test(text),
    );
    child.kill("SIGTERM");
    expect((await once(child, "exit"))[0]).toBe(0);
  });
});

test.each([
  ["a newline and a forged line", 'x\n{"level":"info","message":"all is well"}'],
  ["what a terminal obeys", "\u001b]0;title\u0007 \u009b31m \u007f"],
  ["text that runs backwards", "\u202egnol"],
  ["very much", "y".repeat(1_000_000)],
])("a message with %s is one line of printable octets", (_, message) => {
  const input = `import { log } from "${new URL("../../dist/commands/log.js", import.meta.url).href}"; log(${JSON.stringify(message)});`;
  const text = execFileSync("sh", ["-c", '"$0" --input-type=module - 2>&1', process.execPath], {
    input,
    encoding: "utf8",
  });
  expect(text).toMatch(/^[\x20-\x7e]{1,2200}\n$/);
  expect(message.startsWith(JSON.parse(text).message)).toBe(true);
});

/** Local addresses on which the process listens over TCP. */
function listening(pid: number): string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined; // closed since
      }
    }),
  );
  const sockets = ["tcp", "tcp6"].flatMap((file) => readFileSync(`/proc/${pid}/net/${file}`, "latin1").split("\n"));
  return sockets.flatMap((line) => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === "0A" && inodes.has(inode) && !local.startsWith(ITS_ADDRESS) ? [local] : [];
  });
}

describe("SIGUSR1 asks for the debugger, which every local user could use", () => {
  // Any port will do, so that nobody else's is in the way.
  const env = { NODE_OPTIONS: "--inspect-port=0" };

  test("later: nothing listens, and it goes on", async () => {
    const served = await started(LITTLE, { env });
    for (let i = 0; i < 20; i++) process.kill(served.pid, "SIGUSR1");
    process.kill(served.pid, "SIGUSR2");
    await eventually(served.errors, (text) => /SIGUSR2/.test(text)); // signals come in order of their numbers
    expect(listening(served.pid)).toEqual([]);
    expect(served.errors()).not.toMatch(/Debugger/);
    expect(await served.stop()).toBe(0);
  });

  test("at any moment of the start: nothing listens once it serves", async () => {
    const ends: string[] = [];
    for (let ms = 0; ms <= 150; ms += 15) {
      const later = (child: ChildProcess) => void setTimeout(ms).then(() => child.kill("SIGUSR1"));
      try {
        const served = await started(LITTLE, { env, started: later });
        expect([ms, listening(served.pid)]).toEqual([ms, []]);
        ends.push("serves");
        await served.stop();
      } catch (error) {
        if (!/ended with SIGUSR1/.test(String(error))) throw error; // before node was there to take it
        ends.push("ended");
      }
    }
    expect(ends).toContain("serves");
  }, 180_000);

  test("somebody who asks for it by NODE_OPTIONS gets it: those are the administrator's", async () => {
    const served = await started(LITTLE, { env: { NODE_OPTIONS: "--inspect=127.0.0.1:0" } });
    expect(listening(served.pid)).toHaveLength(1);
    expect(await served.stop()).toBe(0);
  });
});

describe("a second signal, while it stops", () => {
  /** A stop that takes until standard input ends. */
  const code = `import { untilStopped } from "${new URL("../../dist/commands/signals.js", import.meta.url).href}";
    process.stdin.resume().on("end", () => process.exit(0));
    const stopped = untilStopped(() => {});
    console.log("here");
    await stopped;
    console.log("stopping");`;
  async function stopping(signal: NodeJS.Signals) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    child.kill(signal);
    await once(child.stdout, "data");
    return child;
  }

  test.each([
    ["SIGTERM", "SIGTERM", 143],
    ["SIGINT", "SIGINT", 130],
    ["SIGHUP", "SIGTERM", 143],
    ["SIGTERM", "SIGQUIT", 131],
  ] as const)("%s, and %s later: it ends at once with exit code %i", async (first, second, code) => {
    const child = await stopping(first);
    await eventually(
      () => {
        child.kill(second);
        return child.exitCode;
      },
      (ended) => ended === code,
    );
  });

  test.each([
    ["SIGINT", "SIGINT"],
    ["SIGHUP", "SIGHUP"],
  ] as const)("%s that comes twice at once, as npm passes it on, is one", async (first, second) => {
    const child = await stopping(first);
    child.kill(second);
    child.stdin.end();
    expect((await once(child, "exit"))[0]).toBe(0);
  });
});
