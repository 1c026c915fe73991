/** Bodies of requests: read up to a bound, each and all together, and taken for nothing but JSON. */
import type { IncomingMessage } from "node:http";
import { parseJson } from "./json.ts";
import { Problem } from "./problem.ts";

/** Octets. A batch of 100 000 tasks as short as they can be takes about 10 MB. */
const MOST = 16 << 20;
/** Of all that are being read. */
const MOST_AT_ONCE = 64 << 20;

export const MERGE_PATCH = "application/merge-patch+json";

/** Without its parameters; what is left out is JSON. Throws a Problem if it is none of those that may be. */
export function mediaOf(incoming: IncomingMessage, allowed: readonly string[]): string {
  const [type = "", ...parameters] = (incoming.headers["content-type"] ?? "application/json").split(";");
  const media = type.trim().toLowerCase();
  const charset = /^\s*charset\s*=\s*"?([^"]*?)"?\s*$/i.exec(parameters.find((p) => /charset/i.test(p)) ?? "")?.[1];
  if (
    allowed.includes(media) &&
    (charset === undefined || /^utf-?8$/i.test(charset)) &&
    !incoming.headers["content-encoding"]
  )
    return media;
  throw new Problem("media-type", `the body must be ${allowed.join(" or ")}, in UTF-8 and not compressed`);
}

export class Bodies {
  readonly #most: number;
  #octets = 0;

  constructor(most = MOST) {
    this.#most = most;
  }

  /** What it says. Throws a Problem. */
  async read(incoming: IncomingMessage): Promise<unknown> {
    const announced = Number(incoming.headers["content-length"] ?? 0);
    if (announced > this.#most) throw this.#tooLarge();
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        length += chunk.length;
        this.#octets += chunk.length;
        if (length > this.#most) throw this.#tooLarge();
        if (this.#octets > MOST_AT_ONCE)
          throw new Problem("busy", "too much is being sent at once", { headers: { "retry-after": "1" } });
        chunks.push(chunk);
      }
      return parsed(Buffer.concat(chunks));
    } catch (error) {
      throw error instanceof Problem ? error : new Problem("invalid", "the body ended too early");
    } finally {
      this.#octets -= length;
    }
  }

  #tooLarge(): Problem {
    return new Problem("too-large", `the body may have ${this.#most} octets: send the changes in parts`);
  }
}

function parsed(octets: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(octets);
  } catch {
    throw new Problem("invalid", "the body is not UTF-8");
  }
  if (text.trim() === "") throw new Problem("invalid", "the body is empty, and must be JSON");
  try {
    return parseJson(text);
  } catch (error) {
    throw new Problem("invalid", `the body is not JSON: ${(error as Error).message}`);
  }
}
