/** The registry of the world in world.ts, and its way into the kernel: plan, read, diff, apply, for each target. */

import { type LbBackend, sysctlsOf } from "../../src/lb-programmer/backends/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { Marks } from "../../src/lb-programmer/marks.ts";
import { Planner } from "../../src/lb-programmer/plan/planner.ts";
import { EMPTY, type Idle, type LbOp, type LbTarget, type Placement } from "../../src/lb-programmer/state.ts";
import type { Balance, Change, Port, RunState } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { addressOf, CLIENTS, cidrOf, TASKS, type World } from "./world.ts";

export type Family = 4 | 6;

interface ServiceText {
  readonly on?: readonly ("blue" | "green")[];
  readonly ports?: readonly Port[];
  readonly balance?: Balance;
  readonly vipPorts?: "declared";
}

interface TaskText {
  readonly state?: RunState;
  readonly weight?: number;
  /** Default "here": this node. */
  readonly node?: string;
}

/** Host part of the services' VIPs. */
const VIPS: Readonly<Record<string, number>> = { web: 50, api: 51 };

export const vipOf = (service: string, network: "blue" | "green" | "mesh", family: Family): string =>
  addressOf(VIPS[service]!, network, family);

export class Swarm {
  /** Seconds that connections may be silent. */
  idle: Idle | undefined;
  readonly registry = new Registry();
  readonly targets: readonly LbTarget[];
  readonly #world: World;
  readonly #backend: LbBackend;
  readonly #placement: Placement;
  readonly #marks = new Marks();
  /** Those that may hold something; to ask the others each time would take most of a guest's minutes. */
  readonly #held = new Set<LbTarget>();

  constructor(world: World, backend: LbBackend, placement: Placement) {
    this.#world = world;
    this.#backend = backend;
    this.#placement = placement;
    this.targets = targetsOf(world, placement);
    this.registry.apply([
      ...(["blue", "green", "mesh"] as const).map(networkPut),
      ...CLIENTS.map(clientPut),
      ...CLIENTS.map((id) => sandboxPut(id, "container", world)),
    ]);
  }

  target(id: string): LbTarget {
    return this.targets.find((target) => target.id === id)!;
  }

  /** Puts a service, with VIPs on its networks and on the mesh if it publishes ports. Default: on blue. */
  service(name: string, { on = ["blue"], ports = [], balance, vipPorts }: ServiceText = {}): void {
    const vips = (network: "blue" | "green" | "mesh") => ({
      vip4: vipOf(name, network, 4),
      vip6: vipOf(name, network, 6),
    });
    const networks = on.map((network) => ({ network, aliases: [], ...vips(network) }));
    const mesh = ports.some(({ mode }) => mode === "ingress") && { mesh: { network: "mesh", ...vips("mesh") } };
    const rest = {
      mode: "vip",
      publish: "healthy",
      labels: {},
      ports,
      networks,
      ...mesh,
      ...(balance && { balance }),
      ...(vipPorts && { vipPorts }),
    } as const;
    this.registry.apply([{ kind: "service.put", service: { id: name, name, ...rest } }]);
  }

  /** Puts a task of the service into one of the world's namespaces t1 … t5. */
  task(id: (typeof TASKS)[number], service: string, { state = "running", weight, node = "here" }: TaskText = {}): void {
    const { networks = [], mesh } = this.registry.state.services.get(service) ?? {};
    const on = [...networks.map(({ network }) => network), ...(mesh ? ["mesh"] : [])] as ("blue" | "green" | "mesh")[];
    const endpoints = on.map((network) => ({
      network,
      ...addresses(id, network),
      aliases: [],
      links: [],
      priority: 0,
    }));
    const rest = { node, state, health: "none", endpoints, labels: {}, ...(weight && { weight }) } as const;
    this.registry.apply([{ kind: "task.put", task: { id, service, ...rest } }, sandboxPut(id, "task", this.#world)]);
  }

  removeTask(id: string): void {
    this.registry.apply([
      { kind: "sandbox.remove", id },
      { kind: "task.remove", id },
    ]);
  }

  /** What a target should hold. */
  plan(target: LbTarget) {
    const planner = new Planner({
      placement: this.#placement,
      marks: (key) => this.#marks.of(key),
      node: "here",
      sysctls: sysctlsOf(this.#backend, this.idle ?? {}),
    });
    return planner.plan(this.registry.state, target);
  }

  /** Brings the kernel to what the registry says, everywhere; the steps that it took, by target. */
  async settle(): Promise<Record<string, readonly LbOp[]>> {
    const done: Record<string, readonly LbOp[]> = {};
    for (const target of this.targets) {
      const desired = this.plan(target);
      if (!this.#held.has(target) && diff(EMPTY, desired).length === 0) continue;
      this.#held.add(target);
      const ops = diff(await this.#backend.read(target, Object.keys(desired.sysctls)), desired);
      if (ops.length === 0) continue;
      await this.#backend.apply(target, ops, desired);
      done[target.id] = ops;
    }
    return done;
  }

  /** No services, no tasks, nothing in the kernel. */
  async reset(): Promise<void> {
    const { tasks, services, sandboxes } = this.registry.state;
    this.registry.apply([
      ...[...sandboxes.values()].flatMap((s): Change[] =>
        s.member.kind === "task" ? [{ kind: "sandbox.remove", id: s.id }] : [],
      ),
      ...[...tasks.keys()].map((id): Change => ({ kind: "task.remove", id })),
      ...[...services.keys()].map((id): Change => ({ kind: "service.remove", id })),
    ]);
    for (const target of this.#held) await this.#backend.clear(target);
    this.#held.clear();
  }
}

const addresses = (id: string, network: "blue" | "green" | "mesh") => ({
  ip4: addressOf(id, network, 4),
  ip6: addressOf(id, network, 6),
});

const networkPut = (id: "blue" | "green" | "mesh"): Change => ({
  kind: "network.put",
  network: {
    id,
    name: id,
    driver: "overlay",
    ingress: id === "mesh",
    defaultBridge: false,
    internal: false,
    subnets: [{ cidr: cidrOf(id, 4) }, { cidr: cidrOf(id, 6) }],
  },
});

const clientPut = (id: string): Change => ({
  kind: "container.put",
  container: {
    id,
    name: id,
    state: "running",
    labels: {},
    endpoints: (["blue", "green"] as const).map((network) => ({
      network,
      ...addresses(id, network),
      aliases: [],
      links: [],
      priority: 0,
    })),
  },
});

const sandboxPut = (id: string, kind: "container" | "task", world: World): Change => ({
  kind: "sandbox.put",
  sandbox: {
    id,
    member: { kind, id },
    listen: [{ address: "127.0.0.11", port: 53 }],
    netns: world.namespaces[id]!.path,
  },
});

/** Those that ask for services; where these are balanced elsewhere, every task's sandbox may have published ports. */
const ASKING = [...CLIENTS, "t1", "t2"] as const;

function targetsOf({ namespaces }: World, placement: Placement): LbTarget[] {
  const netns = (name: string) => namespaces[name]!.path;
  const lb = (network: "blue" | "green"): LbTarget => ({
    kind: "network",
    id: `network/${network}`,
    network,
    ...addresses(`${network}-lb`, network),
    device: network,
    netns: netns(`${network}-lb`),
  });
  const at = { netns: netns("ingress"), ...addresses("ingress", "mesh"), network: "mesh", device: "mesh" };
  const to = {
    to4: addressOf("ingress", "gw", 4),
    to6: addressOf("ingress", "gw", 6),
    bridge: "gw",
    netns: netns("host"),
  };
  return [
    ...(placement === "sandbox" ? ASKING : [...TASKS, ...CLIENTS]).map(
      (id): LbTarget => ({ kind: "sandbox", id: `sandbox/${id}`, sandbox: id, netns: netns(id) }),
    ),
    ...(placement === "network" ? [lb("blue"), lb("green")] : []),
    { kind: "ingress", id: "ingress", ...at },
    { kind: "host", id: "host", ...to },
  ];
}
