/**
 * The control API of a running node: HTTP and JSON on a unix socket. It stands beside the node, and takes nothing of it along when it
 * ends; whatever its clients do, it costs bounded memory, and nobody's end waits for them.
 */
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { harmless, type Notice, warn } from "../model/notice.ts";
import type { NodeEvents } from "../node/events.ts";
import { KINDS } from "../registry/kinds.ts";
import { agentRoutes } from "./agent-routes.ts";
import { createApp } from "./app.ts";
import { Bodies } from "./body.ts";
import { Catalog } from "./catalog.ts";
import type { Control } from "./control.ts";
import type { Controlled, ControlledConfig } from "./controlled.ts";
import { EventLog, type EventLogLimits } from "./event-log.ts";
import { EventReaders } from "./event-readers.ts";
import { inspectionRoutes } from "./inspection-routes.ts";
import { objectRoutes } from "./object-routes.ts";
import { openapi } from "./openapi.ts";
import type { Route } from "./route.ts";
import { listenAt, type SocketOptions } from "./socket.ts";
import { configOf } from "./status.ts";
import { Waits } from "./waits.ts";

export interface ControlOptions {
  readonly node: Controlled;
  /** Path of the socket. */
  readonly socket: string;
  readonly mode?: SocketOptions["mode"];
  readonly group?: SocketOptions["group"];
  readonly config?: ControlledConfig | undefined;
  /** Resolves when the node is ready. Default: it is. */
  readonly ready?: Promise<unknown>;
  readonly onNotice?: Notice | undefined;
  /** What is kept of events. Default: 10 000 of them, 16 MiB. */
  readonly events?: EventLogLimits;
}

export interface ControlServer {
  /** Nobody is answered from then on; who waits is told so. Twice is fine. */
  close(): Promise<void>;
}

/** Milliseconds that an answer on its way may take at the end. */
const PATIENCE = 1_000;
const SWEEP = 10;
const MOST_CONNECTIONS = 64;

/** Resolves when it answers. Rejects with an Error that says what to do. */
export async function startControl(options: ControlOptions): Promise<ControlServer> {
  const { node, socket, mode, group } = options;
  const notice = harmless(options.onNotice ?? warn);
  const control = controlOf(options, notice);
  const readers = new EventReaders(control.events);
  const app = createApp(routesOf(control, readers), new Bodies(), notice);
  const server = httpServer(
    getRequestListener(app.fetch, { overrideGlobalObjects: false, autoCleanupIncoming: false }),
    control,
  );
  const unfollow = follow(node, options.config, control);
  let remove: () => void;
  try {
    remove = await listenAt(server, { path: socket, mode, group }, notice);
  } catch (error) {
    unfollow();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    remove();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    control.waits.close();
    readers.close();
    const idle = setInterval(() => server.closeIdleConnections(), SWEEP); // as soon as each is answered
    const late = setTimeout(() => server.closeAllConnections(), PATIENCE);
    await closed;
    clearInterval(idle);
    clearTimeout(late);
    unfollow();
  };
  return {
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** All of them, and the one that says what they are. */
export function routesOf(control: Control, readers: EventReaders): Route[] {
  const routes = [
    ...agentRoutes(control, readers),
    ...inspectionRoutes(control),
    ...KINDS.flatMap((kind) => objectRoutes(control, kind)),
  ];
  let text: string | undefined;
  const document: Route = {
    method: "get",
    path: "/openapi.json",
    id: "openapi",
    summary: "This document",
    responses: { 200: { description: "OpenAPI 3.1" } },
    handle: () => {
      text ??= JSON.stringify(openapi([document, ...routes]), undefined, 2);
      return { status: 200, text };
    },
  };
  return [document, ...routes];
}

function controlOf({ node, config, ready, events }: ControlOptions, notice: Notice): Control {
  let isReady = ready === undefined;
  void ready?.then(
    () => {
      isReady = true;
    },
    () => {}, // whoever gave it to us says why
  );
  return {
    node,
    config,
    catalog: new Catalog(node.state),
    events: new EventLog(node.state.revision, events),
    waits: new Waits(node),
    notice,
    started: Date.now(),
    ready: () => isReady,
  };
}

function httpServer(listener: ReturnType<typeof getRequestListener>, { waits }: Control): Server {
  const server = createServer(
    {
      maxHeaderSize: 16 << 10,
      headersTimeout: 10_000,
      requestTimeout: 60_000, // to send all of a request, headers included
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 30_000,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(120_000, (socket: Socket) => waits.isPatient(socket) || socket.destroy());
  return server;
}

/** What the node says of itself is what the catalog, those who wait, and the log of events go by. */
function follow(
  node: Controlled,
  config: ControlledConfig | undefined,
  { catalog, events, waits }: Control,
): () => void {
  const heard: { readonly [E in keyof NodeEvents]: (...words: NodeEvents[E]) => void } = {
    change: (applied) => {
      catalog.follow(applied);
      events.add("change", { revision: applied.revision, changes: applied.changes }, applied.revision);
      waits.follow(applied.revision);
    },
    problem: (sandbox, problem) => events.add("problem", { sandbox, problem: problem?.message ?? null }),
    upstream: (upstream) => events.add("upstream", upstream),
    status: (status) => events.add("status", status),
    repaired: (target, steps) => events.add("repaired", { target, steps }),
  };
  const names = Object.keys(heard) as (keyof NodeEvents)[];
  for (const name of names) node.on(name, heard[name] as never);
  const unwatch = config?.watch?.(() => events.add("config", configOf(config.status())));
  return () => {
    for (const name of names) node.off(name, heard[name] as never);
    unwatch?.();
  };
}
