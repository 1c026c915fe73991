/** A swarm on one machine, played by this process: the registry says what exists, the demo wires it, eleven does the rest. */
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNode, type ElevenNode } from "../daemon.ts";
import type { Change, Endpoint, Network, Port, Service, Task } from "../model/types.ts";
import { killWeb, startWeb } from "./http.ts";
import { asNoSwarm, NoSwarm } from "./no-swarm.ts";
import { pathOf, Wiring } from "./wiring.ts";

const INGRESS = { ip4: "10.0.0.2", gateway: "172.30.0.2" };
const NODE = "demo";

/** On mynet: web (VIP, published), db (dnsrr), client. On the mesh: the ingress sandbox. */
export class Swarm {
  readonly node: ElevenNode;
  readonly #wiring = new Wiring();
  readonly #servers = new Map<string, Server>();
  /** Of its own: what a real node on this machine remembers is not touched. */
  readonly #state = mkdtempSync(join(tmpdir(), "eleven-demo-"));

  constructor(onNotice: (message: string) => void) {
    this.node = createNode({
      onNotice,
      stateDir: this.#state,
      balance: {
        node: NODE,
        mesh: {
          ingress: { netns: pathOf("ingress"), device: "eth0", ip4: INGRESS.ip4 },
          host: { netns: pathOf("host"), bridge: "gw", to4: INGRESS.gateway },
        },
      },
    });
  }

  /** Rejects with a NoSwarm if this machine has not what it takes. */
  async start(): Promise<void> {
    this.#wire();
    const http: Port = { name: "http", protocol: "tcp", target: 80, published: 8080, mode: "ingress" };
    // The ingress sandbox's address is its sandbox's own: it is set aside as a container's.
    this.node.apply([
      network("ingress", "10.0.0.0/24", true),
      network("mynet", "10.0.1.0/24", false),
      container("ingress-sbox", { network: "ingress", ip4: INGRESS.ip4 }),
      container("client", { network: "mynet", ip4: "10.0.1.100" }),
      service("web", "vip", [http]),
      service("db", "dnsrr", []),
    ]);
    await this.#join("client", this.node.state.containers.get("client")!.endpoints, "container");
    this.#mustBalance();
    for (const slot of [1, 2, 3]) await this.addTask("web", slot);
    for (const slot of [1, 2]) await this.addTask("db", slot);
    await this.node.ready();
  }

  #wire(): void {
    try {
      this.#wiring.start({ mynet: "10.0.1.1/24", ingress: undefined, gw: "172.30.0.1/24" });
      this.#wiring.namespace("ingress");
      this.#wiring.plug("ingress", "eth0", "ingress", `${INGRESS.ip4}/24`);
      this.#wiring.plug("ingress", "gw", "gw", `${INGRESS.gateway}/24`);
      this.#wiring.defaultRoute("ingress", "172.30.0.1");
      this.#wiring.forwarding("ingress");
    } catch (error) {
      throw asNoSwarm(error);
    }
  }

  /** A node goes on without a backend, since one may come; a swarm of which nothing is balanced is nothing to be shown. */
  #mustBalance(): void {
    const stuck = this.node.balance.find(({ state, revision }) => state === "degraded" && revision < 0);
    if (stuck !== undefined) throw new NoSwarm(stuck.reason);
  }

  /** A task: an address from the registry, a namespace, a server in it; then it is running. */
  async addTask(service: string, slot: number): Promise<void> {
    const id = taskId(service, slot);
    this.node.apply([{ kind: "task.put", task: task(service, slot, "starting") }]);
    await this.#join(`${service}.${slot}`, this.node.state.tasks.get(id)!.endpoints, "task", id);
    this.#servers.set(id, await startWeb(pathOf(`${service}.${slot}`), `${service}.${slot}`));
    await this.setTask(service, slot, "running");
  }

  async setTask(service: string, slot: number, state: Task["state"]): Promise<void> {
    this.node.apply([{ kind: "task.put", task: task(service, slot, state) }]);
    await this.node.applied();
  }

  /** The process is gone, and the agent says so. */
  async kill(service: string, slot: number): Promise<void> {
    killWeb(this.#servers.get(taskId(service, slot))!);
    await this.setTask(service, slot, "stopped");
  }

  /** As an agent should: names and kernel first, then connections may end, then the process. */
  async removeTask(service: string, slot: number): Promise<void> {
    const id = taskId(service, slot);
    this.node.apply([{ kind: "task.remove", id }]);
    await this.node.drained();
    this.node.apply([{ kind: "sandbox.remove", id: `${service}.${slot}` }]);
    await this.node.ready();
    killWeb(this.#servers.get(id)!);
    this.#servers.delete(id);
    this.#wiring.remove(`${service}.${slot}`);
  }

  async close(): Promise<void> {
    try {
      await this.node.close();
    } finally {
      for (const server of this.#servers.values()) killWeb(server);
      try {
        this.#wiring.close();
      } finally {
        rmSync(this.#state, { recursive: true, force: true });
      }
    }
  }

  /** Gives a member its namespace, with an interface for each endpoint, and a sandbox that is answered there. */
  async #join(name: string, endpoints: readonly Endpoint[], kind: "container" | "task", id = name): Promise<void> {
    this.#wiring.namespace(name);
    for (const [i, { network, ip4 }] of endpoints.entries()) this.#wiring.plug(name, `eth${i}`, network, `${ip4}/24`);
    const listen = [{ address: "127.0.0.11", port: 53 }];
    this.node.apply([
      {
        kind: "sandbox.put",
        sandbox: { id: name, member: { kind, id }, netns: pathOf(name), listen, upstreams: [] },
      },
    ]);
    await this.node.ready();
  }
}

const taskId = (service: string, slot: number): string => `${service}${slot}`.padEnd(25, "x");

const task = (service: string, slot: number, state: Task["state"]): Task => ({
  id: taskId(service, slot),
  service,
  slot,
  node: NODE,
  state,
  health: "none",
  endpoints: [{ network: "mynet", aliases: [], links: [], priority: 0 }],
  labels: {},
});

const network = (name: string, cidr: string, ingress: boolean): Change => ({
  kind: "network.put",
  network: {
    id: name,
    name,
    driver: "overlay",
    ingress,
    defaultBridge: false,
    internal: false,
    subnets: [{ cidr }],
  } satisfies Network,
});

const service = (name: string, mode: Service["mode"], ports: readonly Port[]): Change => ({
  kind: "service.put",
  service: {
    id: name,
    name,
    mode,
    publish: "healthy",
    networks: [{ network: "mynet", aliases: [] }],
    ports,
    labels: {},
    balance: { drain: 5 },
  },
});

const container = (name: string, { network, ip4 }: { network: string; ip4: string }): Change => ({
  kind: "container.put",
  container: {
    id: name,
    name,
    state: "running",
    endpoints: [{ network, ip4, aliases: [], links: [], priority: 0 }],
    labels: {},
  },
});
