/**
 * The agent's API, as the commands see it: a request over the unix socket, its answer as JSON, and every way it can fail as a
 * Failure that names the next step. The only file that knows it is HTTP.
 */
import { type IncomingMessage, request } from "node:http";
import { EXIT, Failure } from "../exit.ts";
import type { Json } from "../text/json.ts";
import { readEvents, type StreamEvent } from "./event-stream.ts";
import { problemFailure } from "./problem.ts";
import { unreachable } from "./unreachable.ts";

export type Method = "GET" | "PUT" | "PATCH" | "POST" | "DELETE";

export interface Asking {
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly body?: unknown;
  /** The object is at this revision ("*": there is none), or nothing is done. */
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: "*" | undefined;
  /** Seconds that the agent itself may take. */
  readonly patience?: number | undefined;
  /** Seconds beyond those, for answering at all; then it is given up. Default: 30. */
  readonly slack?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly body: Json;
}

const SLACK = 30;

export class Client {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Rejects with a Failure; what the API says is wrong is in its words. */
  async ask(method: Method, path: string, asking: Asking = {}): Promise<Answer> {
    const response = await this.#send(method, path, asking, "application/json");
    const body = await wholeBody(response).catch(() => {
      throw new Failure(
        EXIT.failed,
        "eleven agent ended in the middle of its answer; eleven status says if it is back",
      );
    });
    const status = response.statusCode!;
    const read = asJson(body);
    if (status >= 400) throw problemFailure(status, read);
    if (read === undefined) throw this.#stranger();
    return { status, etag: response.headers.etag, body: read };
  }

  /** Until the agent ends it, or the signal does. */
  async *events(asking: Pick<Asking, "query" | "signal">): AsyncGenerator<StreamEvent> {
    const response = await this.#send("GET", "/v1/events", asking, "text/event-stream");
    if (response.statusCode !== 200) throw problemFailure(response.statusCode!, asJson(await wholeBody(response)));
    try {
      yield* readEvents(response);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ECONNRESET" && !asking.signal?.aborted) throw error; // as good an end as any
    } finally {
      response.destroy();
    }
  }

  #send(method: Method, path: string, asking: Asking, accept: string): Promise<IncomingMessage> {
    const { body, ifMatch, ifNoneMatch, patience = 0, slack = SLACK, signal } = asking;
    const longest = patience + slack;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...{ host: "localhost", accept },
      ...(text !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
      ...(ifMatch !== undefined && { "if-match": ifMatch }),
      ...(ifNoneMatch !== undefined && { "if-none-match": ifNoneMatch }),
    };
    return new Promise((resolve, reject) => {
      const sent = request({
        socketPath: this.#socket,
        method,
        path: path + queryText(asking.query),
        headers,
        ...(signal && { signal }),
      });
      if (accept === "application/json") {
        const late = new Failure(EXIT.timeout, `eleven agent has not answered for ${longest} s`);
        sent.setTimeout(longest * 1_000, () => sent.destroy(late));
      }
      sent.on("response", resolve);
      sent.on("error", (error) => reject(error instanceof Failure ? error : unreachable(this.#socket, error)));
      sent.end(text);
    });
  }

  #stranger(): Failure {
    return new Failure(
      EXIT.failed,
      `who answers on ${this.#socket} is no eleven agent; say where it listens: --socket PATH`,
    );
  }
}

/** "/v1/services/web" for "services" and "web", whatever characters the name has. */
export const pathTo = (...parts: readonly string[]): string => `/v1/${parts.map(encodeURIComponent).join("/")}`;

function queryText(query: Asking["query"] = {}): string {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) words.append(key, one);
    else if (value !== undefined) words.append(key, String(value));
  }
  return words.size === 0 ? "" : `?${words}`;
}

async function wholeBody(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

function asJson(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}
