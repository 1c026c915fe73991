/** Runs the built command and real dig against it. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** True if the program is there. With CI set, a missing one is an error: nothing may be skipped there. */
export function have(program: string): boolean {
  const path = `${process.env["PATH"]}:/usr/sbin:/sbin`;
  const found = spawnSync("sh", ["-c", `command -v ${program}`], { env: { ...process.env, PATH: path } }).status === 0;
  if (!found && process.env["CI"]) throw new Error(`${program} is not installed`);
  if (!found) console.log(`skipped: ${program} is not installed`);
  return found;
}

/** A loopback port free for UDP and TCP just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

export interface Served {
  /** What it printed when it was ready. */
  readonly line: string;
  readonly pid: number;
  /** The config file. */
  readonly file: string;
  /** What it wrote to standard error so far. */
  errors(): string;
  /** Descriptors it has open. */
  descriptors(): number;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface ServeOptions {
  /** A descriptor that is its standard error. */
  readonly stderr?: number;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What runs it, before node: setpriv and its words, say. */
  readonly within?: readonly string[];
  /** Words behind the file's name. */
  readonly args?: readonly string[];
  /** Called as soon as there is a process, long before it serves. */
  readonly started?: (child: ChildProcess) => void;
}

/** `eleven serve` on a config text; resolves when it says where it listens. */
export async function serve(config: string, options: ServeOptions = {}): Promise<Served> {
  const file = join(mkdtempSync(join(tmpdir(), "eleven-")), "config.yaml");
  writeFileSync(file, config);
  return { ...(await stays(["serve", file], options)), file };
}

/** `eleven` with these words, a command that stays; resolves when it says that it is there. `input`: its standard input. */
export async function stays(
  words: readonly string[],
  options: ServeOptions & { readonly input?: string } = {},
): Promise<Omit<Served, "file">> {
  const { stderr = "pipe", env, within = [], args: more = [], started, input } = options;
  const [command, ...args] = [...within, process.execPath, "dist/main.js", ...words, ...more];
  const stdin = input === undefined ? "ignore" : "pipe";
  const child = spawn(command!, args, { stdio: [stdin, "pipe", stderr], env: { ...process.env, ...env } });
  child.stdin?.end(input);
  started?.(child);
  let errors = "";
  child.stderr?.on("data", (text) => {
    errors += text;
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout!.once("data", (text) => resolve(String(text).trim()));
    child.once("exit", (code, signal) =>
      reject(new Error(`eleven ${words[0]} ended with ${code ?? signal}: ${errors}`)),
    );
  });
  return {
    line,
    pid: child.pid!,
    errors: () => errors,
    descriptors: () => readdirSync(`/proc/${child.pid}/fd`).length,
    stop: async (signal = "SIGTERM") => {
      if (child.exitCode !== null) return child.exitCode;
      child.kill(signal);
      const [code] = await once(child, "exit");
      return code;
    },
  };
}

/** dig's output for the words given, comments and all. */
export async function digAt(address: string, port: number, ...words: string[]): Promise<string> {
  const { stdout } = await run("dig", [`@${address}`, "-p", String(port), "+tries=1", "+time=5", ...words]);
  return stdout;
}

export const dig = (port: number, ...words: string[]): Promise<string> => digAt("127.0.0.1", port, ...words);

/** "NOERROR qr aa rd ra | web. 600 A 10.0.1.2 | EDNS" out of dig's long form. */
export async function asked(port: number, ...words: string[]): Promise<string> {
  const text = await dig(port, ...words);
  const rcode = /status: (\w+)/.exec(text)?.[1];
  const flags = /flags: ([^;]*);/.exec(text)?.[1];
  const sections = ["ANSWER", "AUTHORITY"].map((name) => {
    const body = new RegExp(`;; ${name} SECTION:\\n([\\s\\S]*?)\\n\\n`).exec(`${text}\n`)?.[1] ?? "";
    return body
      .split("\n")
      .filter((l) => l !== "")
      .map((l) =>
        l
          .split(/\s+/)
          .filter((w) => w !== "IN" && w !== "CH")
          .join(" "),
      )
      .sort()
      .join(", ");
  });
  const edns = /; EDNS: (version: \d+), flags:( do)?;/.exec(text);
  const ede = /; EDE: (\d+)/.exec(text)?.[1];
  const extra = edns ? [`EDNS${edns[2] ?? ""}${ede ? ` EDE ${ede}` : ""}`] : [];
  return [`${rcode} ${flags}`, ...sections.filter((s) => s !== ""), ...extra].join(" | ");
}
