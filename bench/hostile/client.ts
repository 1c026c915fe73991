/** Who asks by dnsperf: B, a thousand times a second, and attackers that want to be fast. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const output = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "eleven-"));
process.once("exit", () => rmSync(folder, { recursive: true }));
const files = new Map<readonly string[], string>();

/** The command that asks these questions in turn. */
export function dnsperf(port: number, questions: readonly string[], words: string): string[] {
  let file = files.get(questions);
  if (file === undefined) {
    file = join(folder, String(files.size));
    files.set(questions, file);
    writeFileSync(file, `${questions.join("\n")}\n`);
  }
  return `dnsperf -s 127.0.0.1 -p ${port} -d ${file} ${words}`.split(" ");
}

export interface Felt {
  /** Seconds. */
  readonly p99: number;
  /** Answers that are an error: REFUSED, SERVFAIL. */
  readonly failed: number;
  /** No answer within 5 s. */
  readonly lost: number;
}

/** B asks 1 000 questions a second, and goes on asking however late the answers are. */
export async function ask(port: number, questions: readonly string[], seconds: number, tcp: boolean): Promise<Felt> {
  const words = dnsperf(port, questions, `-Q 1000 -q 20000 -c 1 -v -l ${seconds}${tcp ? " -m tcp" : ""}`);
  const { stdout } = await output("taskset", ["-c", "1", ...words], { maxBuffer: 1 << 28 });
  const times = [...stdout.matchAll(/^> NOERROR \S+ \S+ ([\d.]+)/gm)].map((m) => Number(m[1])).sort((x, y) => x - y);
  return {
    p99: times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY,
    failed: Number(/Queries completed: +(\d+)/.exec(stdout)?.[1]) - times.length,
    lost: Number(/Queries lost: +(\d+)/.exec(stdout)?.[1]),
  };
}
