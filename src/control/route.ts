/** What a route is: one entry says how it is asked, what is checked, what is printed of it, and what it does. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { z } from "zod";
import type { RegistryError } from "../registry/error.ts";
import type { Kind } from "../registry/kinds.ts";

export type Method = "get" | "put" | "patch" | "delete" | "post";

/** A request whose parts have been checked. */
export interface Asked<Query = Readonly<Record<string, unknown>>> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** undefined: the route takes none. */
  readonly body: unknown;
  /** Of the body. */
  readonly media: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

export interface Answer {
  readonly status: number;
  /** Missing: nothing is sent, or it has been sent already. */
  readonly body?: object;
  /** `body` as text, for one that is at hand. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The handler answers by itself, for as long as it likes. */
  readonly open?: boolean;
}

export interface Shown {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly media?: string;
  readonly headers?: readonly string[];
}

export interface Route<Query = Readonly<Record<string, unknown>>> {
  readonly method: Method;
  /** "/v1/networks/{name}". */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  /** What stands in the path, and what it is. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: z.ZodObject;
  readonly headers?: readonly RequestHeader[];
  readonly body?: z.ZodType;
  /** Default: application/json alone. */
  readonly media?: readonly string[];
  /** By status; problems that every route can have are left out. */
  readonly responses: Readonly<Record<number, Shown>>;
  readonly handle: (asked: Asked<Query>) => Answer | Promise<Answer>;
  /** Where in the body a registry's path is. Default: nowhere. */
  readonly pointerOf?: (error: RegistryError, body: unknown) => string | undefined;
}

export type RequestHeader = "if-match" | "if-none-match" | "last-event-id";

/** A route whose handler gets its query as the schema makes it. */
export const route = <S extends z.ZodObject>(
  given: Omit<Route<z.output<S>>, "query"> & { readonly query?: S },
): Route => given as unknown as Route;

/** The kinds as paths have them. */
export const PATHS: Readonly<Record<Kind, string>> = {
  network: "networks",
  service: "services",
  task: "tasks",
  container: "containers",
  sandbox: "sandboxes",
};
