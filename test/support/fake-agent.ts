/** An agent that says what it was told to say, on a unix socket, and writes down what it was asked: the command line's tests. */
import { mkdtempSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "../../src/commands/command.ts";

export interface Reply {
  readonly status?: number;
  readonly etag?: string;
  readonly body: unknown;
  /** As it is, not as JSON. */
  readonly text?: string;
  /** Not before that. */
  readonly after?: Promise<unknown>;
  /** It is begun, and never ended. */
  readonly open?: boolean;
}

/** By "GET /v1/services"; of several, each is said once and the last again and again. What has none is a 404. With "GET *", objects are whatever is asked for. */
export type Replies = Readonly<Record<string, Reply | readonly Reply[]>>;

export interface FakeAgent {
  readonly socket: string;
  /** "PUT /v1/services/web?wait=applied If-None-Match: * {...}". */
  readonly asked: string[];
  /** From now on; what was asked is forgotten. */
  say(replies: Replies): void;
  close(): Promise<void>;
}

export async function fakeAgent(): Promise<FakeAgent> {
  const socket = join(mkdtempSync(join(tmpdir(), "eleven-")), "eleven.sock");
  const said = new Map<string, number>();
  let replies: Replies = {};
  const server = createServer((request, response) => {
    void line(request).then(async (text) => {
      agent.asked.push(text);
      const key = `${request.method} ${request.url!.replace(/\?.*/, "")}`;
      const { status = 200, etag, body, text: raw, after, open } = next(key);
      await after;
      const type =
        raw === undefined ? (status < 400 ? "application/json" : "application/problem+json") : "text/event-stream";
      response.writeHead(status, { "content-type": type, ...(etag && { etag: `"${etag}"` }) });
      response.write(raw ?? JSON.stringify(body));
      if (open !== true) response.end();
    });
  });
  const next = (key: string): Reply => {
    if (replies[key] === undefined && replies["GET *"] !== undefined && key.startsWith("GET /v1/"))
      return { body: { id: decodeURIComponent(key.replace(/.*\//, "")) } };
    const known = replies[key] ?? { status: 404, body: { status: 404, detail: `no reply to ${key}` } };
    if (!Array.isArray(known)) return known as Reply;
    const at = said.get(key) ?? 0;
    said.set(key, at + 1);
    return known[Math.min(at, known.length - 1)];
  };
  const agent: FakeAgent = {
    ...{ socket, asked: [] },
    say: (given) => {
      replies = given;
      said.clear();
      agent.asked.length = 0;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return agent;
}

async function line(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const piece of request) body += piece;
  const { "if-match": match, "if-none-match": none } = request.headers;
  return [
    `${request.method} ${request.url}`,
    ...(match === undefined ? [] : [`If-Match: ${match}`]),
    ...(none === undefined ? [] : [`If-None-Match: ${none}`]),
    ...(body === "" ? [] : [body]),
  ].join(" ");
}

/** All that came of it: standard output, then standard error behind "! ", then the exit code if it is not 0. */
export async function eleven(words: readonly string[], socket = "/nowhere/eleven.sock"): Promise<string> {
  const [out, errors]: [string[], string[]] = [[], []];
  const shell = {
    print: (text: string) => void out.push(text),
    complain: (text: string) => void errors.push(text.replace(/^/gm, "! ")),
    env: { ELEVEN_SOCKET: socket },
  };
  const code = await command(words, shell);
  return [...out, ...errors, ...(code === 0 ? [] : [`exit ${code}`])].join("\n");
}

/** Words as a shell splits them; 'single quotes' keep them together. */
export const split = (text: string): string[] =>
  [...text.matchAll(/'([^']*)'|(?:[^\s'])+/g)].map(([whole, quoted]) => quoted ?? whole);

/** A text in backticks without the indent of its first line. */
export function text(strings: TemplateStringsArray, ...values: readonly unknown[]): string {
  const whole = String.raw({ raw: strings }, ...values).replace(/^\n|\n *$/g, "");
  const indent = /^ */.exec(whole)![0];
  return whole.replaceAll(new RegExp(`^${indent}`, "gm"), "");
}
