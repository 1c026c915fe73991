/** The built command as a client, in a real shell: pipes, terminals, completion, exit codes. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type FakeAgent, fakeAgent } from "../support/fake-agent.ts";
import { have } from "./dig.ts";

let agent: FakeAgent;
beforeAll(async () => {
  agent = await fakeAgent();
});
afterAll(() => agent.close());

const items = Array.from({ length: 20_000 }, (_, i) => ({ id: `s${i}`, name: `s${i}` }));

/** What a shell line writes to both, and its exit code; `eleven` in it is the built command. */
async function shell(line: string, within: readonly string[] = ["bash", "-c"]): Promise<[code: number, text: string]> {
  const [program, ...words] = [...within, `eleven() { "$NODE" dist/main.js "$@"; }; ${line}`];
  const env = { ...process.env, ELEVEN_SOCKET: agent.socket, NODE: process.execPath };
  const child = spawn(program!, words, { env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (text += piece));
  const [code] = await once(child, "close");
  return [code, text];
}

test.each([
  ["a reader that has seen enough", "set -o pipefail; eleven service ls -q | head -1", 0, "s0\n"],
  ["one that never read", "set -o pipefail; eleven service ls -q | true", 0, ""],
  ["events, and a reader that goes after the first", "set -o pipefail; eleven events | head -1", 0, "1  change  \n"],
  ["a full disk", "eleven service ls -q > /dev/full", 1, "eleven: standard output can't be written: ENOSPC\n"],
  [
    "not found",
    "eleven service inspect nobody 2>&1",
    3,
    'eleven: there is no service "nobody"; eleven service ls lists them\n[]\n',
  ],
  ["nobody there", "eleven --socket /nowhere status 2>&1 | cut -d'(' -f1", 0, "eleven: eleven agent is not running \n"],
  [
    "completion",
    'source <(eleven completion bash); COMP_WORDS=(eleven serv); COMP_CWORD=1; _eleven; echo "${COMPREPLY[@]}"',
    0,
    "serve service\n",
  ],
  [
    "completion of names",
    'source <(eleven completion bash); COMP_WORDS=(eleven service scale s19999); COMP_CWORD=3; _eleven; echo "${COMPREPLY[@]}"',
    0,
    "s19999=\n",
  ],
])("%s", async (_name, line, code, text) => {
  const event = 'id: 1\nevent: change\ndata: {"changes":[]}\n\n';
  agent.say({
    "GET /v1/services": {
      body: { items },
    },
    "GET /v1/services/nobody": { status: 404, body: { detail: 'there is no service "nobody"' } },
    "GET /v1/events": { body: "", text: event.repeat(10_000), open: true },
  });
  expect(await shell(line)).toEqual([code, text]);
});

test.runIf(have("script"))("on a terminal, what is waited for is shown, and goes away", async () => {
  let go = (): void => {};
  const after = new Promise<void>((resolve) => {
    go = resolve;
  });
  agent.say({ "PUT /v1/networks/a": { body: { revision: 2, object: { id: "a" }, waited: "applied" }, after } });
  const env = { ...process.env, ELEVEN_SOCKET: agent.socket, TERM: "xterm" };
  const child = spawn("script", ["-qec", `${process.execPath} dist/main.js network create a`, "/dev/null"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (piece) => (text += piece));
  await vi.waitFor(() => expect(text).toContain("\rwaiting until it is applied (1 s)\u001b[K"), { timeout: 20_000 });
  go();
  expect(await once(child, "close")).toEqual([0, null]);
  expect(text.slice(text.lastIndexOf("\u001b[K") - 1)).toBe("\r\u001b[Ka\r\n");
});

test("help takes little more than node itself", () => {
  const seconds = (words: string): number => {
    const line = `TIMEFORMAT=%U; for i in 1 2 3; do time "$NODE" ${words} >/dev/null; done`;
    const env = { ...process.env, LC_ALL: "C", NODE: process.execPath };
    const { stderr } = spawnSync("bash", ["-c", line], { env, encoding: "utf8", timeout: 60_000 });
    return Math.min(...stderr.trim().split("\n").map(Number));
  };
  expect(seconds("dist/main.js --help") / seconds("-e 0")).toBeLessThan(3);
});
