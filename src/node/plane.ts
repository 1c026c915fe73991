/** Who answers: worker threads where they can be had, else this thread. What could not be had as it was asked for is said. */
import { createForwarder, type ForwarderOptions } from "../forwarder/io/node-loop.ts";
import type { Notice } from "../model/notice.ts";
import type { SandboxId } from "../model/types.ts";
import { libcProblem } from "../os/libc.ts";
import { netnsSockets } from "../os/socket.ts";
import type { Inheritance } from "../sandbox/inheritance.ts";
import { createOpenSockets } from "../sandbox/sockets.ts";
import type { Policy } from "../scoping/policy.ts";
import type { DataPlane } from "../server/data-plane.ts";
import { inlinePlane } from "../server/inline-plane.ts";
import { createServing, type ServingOptions } from "../server/serve.ts";
import { tellOnce } from "../server/tell-once.ts";
import type { Asked } from "../server/upstream-news.ts";
import { canHaveWorkers, workerPlane } from "../server/worker/plane.ts";
import { version } from "../version.ts";

export interface PlaneOptions {
  readonly policy: Policy;
  readonly forwarder: ForwarderOptions | undefined;
  readonly id: string | undefined;
  readonly workers: number | undefined;
  readonly transport: "batched" | "dgram" | undefined;
  /** System calls of our own can be made. */
  readonly calls: boolean;
  /** Sockets that an earlier process left. */
  readonly inheritance: Inheritance | undefined;
  readonly onNotice: Notice;
  readonly onHealth: (upstream: Asked, up: boolean) => void;
  readonly onProblem: (sandboxes: readonly SandboxId[]) => void;
}

export function createPlane(options: PlaneOptions): DataPlane {
  const { policy, transport, calls, inheritance, onNotice, onHealth, onProblem, workers = 1 } = options;
  const identity = { version: `eleven ${version}`, id: options.id ?? "eleven" };
  const serving: ServingOptions = { compat: policy.compat, negativeTtl: policy.ttl.negative, identity };
  const onError = (error: Error) => onNotice(error.message);
  const sockets = calls ? createOpenSockets({ inheritance, onNotice }) : undefined;
  const forwarder = createForwarder(options.forwarder, netnsSockets, tellOnce(onError), onHealth);
  if (workers > 0 && sockets !== undefined && transport !== "dgram") {
    if (canHaveWorkers) {
      const forwarderOptions = options.forwarder ?? {};
      const news = { onHealth, onProblem };
      return workerPlane({ workers, serving, forwarderOptions, forwarder, sockets, onError, news });
    }
    onNotice("the file of the worker threads, thread-main.js, is not beside the program; the main thread answers");
  }
  const inline = { serving: createServing(serving), forwarder, sockets, onError };
  return inlinePlane({ ...inline, batched: calls && transport !== "dgram" });
}

/** Whether we can make system calls of our own; says so if not. */
export function hasCalls(transport: PlaneOptions["transport"], onNotice: Notice): boolean {
  const problem = libcProblem();
  if (problem !== undefined && transport !== "dgram")
    onNotice(`${problem}: node's own sockets are used, and no network namespaces`);
  return problem === undefined;
}
