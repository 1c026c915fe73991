/** A node in this process with its control API on a socket, and requests to it as text: "PUT /v1/networks/n {}". */
import { mkdtempSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type ControlOptions, type ControlServer, startControl } from "../../src/control/server.ts";
import { createNode, type ElevenNode, type NodeOptions } from "../../src/daemon.ts";

export interface Served {
  readonly node: ElevenNode;
  readonly socket: string;
  readonly control: ControlServer;
  readonly notices: readonly string[];
}

export type ServeOptions = Partial<Omit<ControlOptions, "node">> & { readonly node?: NodeOptions };

export const newSocket = (): string => join(mkdtempSync(join(tmpdir(), "eleven-control-")), "eleven.sock");

/** Until the test is over. */
export async function served({ node: nodeOptions, ...options }: ServeOptions = {}): Promise<Served> {
  const node = createNode({ workers: 0, onNotice: () => {}, ...nodeOptions });
  const socket = options.socket ?? newSocket();
  const notices: string[] = [];
  const control = await startControl({ onNotice: (notice) => notices.push(notice), ...options, node, socket });
  onTestFinished(async () => {
    await control.close();
    await node.close();
  });
  return { node, socket, control, notices };
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever was answered
  readonly body: any;
}

/** "METHOD /path [BODY]"; headers beside it. */
export function ask(socket: string, line: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  const [, method = "", path = "", body] = /^(\S+) (\S+)(?: (.*))?$/s.exec(line)!;
  return send(socket, method, path, body === undefined ? undefined : Buffer.from(body), headers);
}

export function send(
  socketPath: string,
  method: string,
  path: string,
  body?: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({
      agent: false,
      socketPath,
      method,
      path,
      headers: {
        ...(body && headers["transfer-encoding"] === undefined && { "content-length": body.length }),
        ...headers,
      },
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const json = /json/.test(response.headers["content-type"] ?? "") && text !== "";
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text,
          body: json ? JSON.parse(text) : undefined,
        });
      });
    });
    asked.end(body);
  });
}

/** In a line: "404 unknown: there is no service "x" /pointer". What went well: its status, tag and body. */
export function shown({ status, headers, body, text }: Reply): string {
  const tag = headers.etag === undefined ? "" : ` ${headers.etag}`;
  if (body?.type === undefined) return `${status}${tag}${text === "" ? "" : ` ${text.trim()}`}`;
  const places = (body.errors ?? []).map(({ pointer, place }: Record<string, string>) => ` ${pointer ?? place}`);
  return `${status} ${body.type.replace("urn:eleven:problem:", "")}: ${body.detail}${places.join("")}`;
}
