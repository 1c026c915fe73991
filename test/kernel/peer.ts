/** A process of peer.mjs in a namespace, as an object. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Protocol } from "../../src/model/types.ts";
import { exec } from "../../src/os/exec.ts";
import { inNetns } from "../../src/os/netns.ts";
import type { Namespace } from "./namespaces.ts";

const SCRIPT = fileURLToPath(new URL("./peer.mjs", import.meta.url));

export interface Asking {
  readonly protocol?: Exclude<Protocol, "sctp">;
  /** Connections, or datagrams. Default 1. */
  readonly count?: number;
  /** How many at a time. Default 20. */
  readonly together?: number;
}

export class Peer {
  readonly name: string;
  readonly namespace: Namespace;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 1;

  private constructor(name: string, namespace: Namespace) {
    this.name = name;
    this.namespace = namespace;
    this.#child = inNetns(namespace.path, () =>
      spawn(process.execPath, [SCRIPT], { stdio: ["ignore", "inherit", "inherit", "ipc"] }),
    );
    this.#child.on("message", ({ id, result, error }: { id: number; result: unknown; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(`${name}: ${error}`));
    });
    this.#child.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} has ended`));
    });
  }

  /** Starts it; resolves when it can be told something. */
  static async start(name: string, namespace: Namespace): Promise<Peer> {
    const peer = new Peer(name, namespace);
    await new Promise((resolve, reject) => peer.#waiting.set(0, { resolve, reject }));
    return peer;
  }

  serve(addresses: readonly string[], port: number): Promise<void> {
    return this.#tell("serve", { name: this.name, addresses, port });
  }

  /** Listens no more, as a task that has ended: its kernel refuses connections. */
  unserve(): Promise<void> {
    return this.#tell("close", {});
  }

  /** Answers, "<name> <address that the task saw>" or "error <code>". */
  ask(to: string, port: number, asking: Asking = {}): Promise<string[]> {
    return this.#tell("ask", { to, port, ...asking });
  }

  /** Sends so many octets and a newline on one connection; the answer. */
  push(to: string, port: number, octets: number): Promise<string> {
    return this.#tell("push", { to, port, octets });
  }

  /** Milliseconds that each of `count` connections took, `together` at a time, to each of the addresses in turn. */
  time(to: readonly string[], port: number, count: number, together: number): Promise<number[]> {
    return this.#tell("time", { to, port, count, together });
  }

  /** Opens a connection that stays open, called `key`; who answers. */
  hold(key: string, to: string, port: number, protocol: "tcp" | "udp" = "tcp", timeout = 2000): Promise<string> {
    return this.#tell("hold", { key, to, port, protocol, timeout });
  }

  /** Who answers on the connection now. */
  line(key: string): Promise<string> {
    return this.#tell("line", { key });
  }

  drop(key: string): Promise<void> {
    return this.#tell("drop", { key });
  }

  /** Ends whatever it holds, and its load: what a row that failed has left. */
  release(): Promise<void> {
    return this.#tell("release", {});
  }

  /** Connects, over and over, until `rest`. */
  load(to: string, port: number): Promise<void> {
    return this.#tell("load", { to, port });
  }

  /** How many connections `load` has made. */
  loaded(): Promise<number> {
    return this.#tell("loaded", {});
  }

  rest(): Promise<{ good: number; bad: string[] }> {
    return this.#tell("rest", {});
  }

  /** True if the address answers an echo request, else what ping says. */
  async ping(to: string): Promise<true | string> {
    const six = to.includes(":");
    const [tool, ...args] = (await hasPing()) ? ["ping", six ? "-6" : "-4"] : ["busybox", six ? "ping6" : "ping"];
    const asked = await exec(tool!, [...args, "-c", "1", "-W", "1", to], { netns: this.namespace.path });
    return asked.status === 0 || `status ${asked.status}: ${asked.stdout}${asked.stderr}`;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }

  #tell<T>(action: string, what: object): Promise<T> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#child.send({ id, do: action, ...what });
    });
  }
}

let ping: Promise<boolean> | undefined;

function hasPing(): Promise<boolean> {
  ping ??= exec("ping", ["-V"]).then(
    ({ status }) => status === 0,
    () => false,
  );
  return ping;
}
