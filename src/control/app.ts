/** The table of routes as a program for HTTP: finds the route, checks what it is asked, answers, and turns whatever is thrown into a problem. */
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import { TrieRouter } from "hono/router/trie-router";
import type { Notice } from "../model/notice.ts";
import { brief } from "../model/quote.ts";
import { type Bodies, mediaOf } from "./body.ts";
import { checked, readQuery } from "./form.ts";
import { Load } from "./load.ts";
import { Problem, problemOf } from "./problem.ts";
import type { Answer, Asked, Route } from "./route.ts";

export type App = Hono<{ Bindings: HttpBindings }>;

const JSON_MEDIA = ["application/json"];

export function createApp(routes: readonly Route[], bodies: Bodies, notice: Notice): App {
  const app: App = new Hono({ router: new TrieRouter() });
  const load = new Load();
  for (const path of new Set(routes.map((route) => route.path))) {
    const at = routes.filter((route) => route.path === path);
    const pattern = path.replace(/\{(\w+)\}/g, ":$1");
    for (const route of at)
      app.on(route.method.toUpperCase(), pattern, async ({ req, env }) =>
        respond(route, { params: req.param(), url: req.url, env, bodies, load, notice }),
      );
    const methods = at.map(({ method }) => method.toUpperCase()).join(", ");
    app.all(pattern, ({ req, env }) =>
      refused(
        env,
        load,
        new Problem("method", `${brief(req.method)} is not for this path; there are ${methods}`, {
          headers: { allow: methods },
        }),
      ),
    );
  }
  app.notFound(({ req, env }) =>
    refused(env, load, new Problem("unknown", `there is no ${brief(req.path)}; /openapi.json says what there is`)),
  );
  app.onError((error, { env }) =>
    refused(
      env,
      load,
      reported(
        problemOf(error, () => undefined),
        error,
        notice,
      ),
    ),
  );
  return app;
}

interface Call {
  readonly params: Readonly<Record<string, string>>;
  readonly url: string;
  readonly env: HttpBindings;
  readonly bodies: Bodies;
  readonly load: Load;
  readonly notice: Notice;
}

async function respond(route: Route, { params, url, env, bodies, load, notice }: Call): Promise<Response> {
  const { incoming, outgoing } = env;
  let body: unknown;
  try {
    load.enter(outgoing);
    const query = readQuery(route.query, url.split("?").slice(1).join("?"));
    const media = route.body === undefined ? "" : mediaOf(incoming, route.media ?? JSON_MEDIA);
    if (route.body !== undefined) body = await bodies.read(incoming);
    if (route.body !== undefined && media === JSON_MEDIA[0]) checked(route.body, body);
    const asked: Asked = { params, query, body, media, incoming, outgoing };
    return sent(env, load, await route.handle(asked));
  } catch (error) {
    return refused(
      env,
      load,
      reported(
        problemOf(error, (e) => route.pointerOf?.(e, body)),
        error,
        notice,
      ),
    );
  }
}

/** What is ours to mend is said in the log, in full: the client is told no more than that. */
function reported(problem: Problem, error: unknown, notice: Notice): Problem {
  if (problem.code === "failed")
    notice(`control API: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  return problem;
}

const refused = (env: HttpBindings, load: Load, { status, body, headers }: Problem): Response =>
  sent(env, load, { status, body, headers: { ...headers, "content-type": "application/problem+json" } });

function sent({ outgoing }: HttpBindings, load: Load, { status, body, text, headers, open }: Answer): Response {
  if (open || outgoing.destroyed || outgoing.headersSent) return RESPONSE_ALREADY_SENT;
  const octets = Buffer.from(text ?? (body === undefined ? "" : `${JSON.stringify(body)}\n`));
  const fields: Record<string, string> = {
    ...(octets.length > 0 && { "content-type": "application/json" }),
    ...headers,
  };
  if (status !== 304) fields["content-length"] = String(octets.length);
  load.holds(outgoing, octets.length);
  outgoing.writeHead(status, fields);
  outgoing.end(octets);
  return RESPONSE_ALREADY_SENT;
}
