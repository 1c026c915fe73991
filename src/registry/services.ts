/** Services: a name, a VIP per network, published ports. */
import { brief } from "../model/quote.ts";
import { same } from "../model/same.ts";
import type { Service, ServiceNetwork } from "../model/types.ts";
import { nameOf, onNetwork, poolOf, takeAddress, twice } from "./endpoints.ts";
import { RegistryError, within } from "./error.ts";
import { remove } from "./kinds.ts";
import { checkAliases, folded } from "./names.ts";
import type { State } from "./state.ts";
import type { Step } from "./step.ts";
import { putTask, releaseTask, taskOwner } from "./tasks.ts";

export function putService(step: Step, given: Service): Service | undefined {
  const { state, undo, touched } = step;
  const before = state.services.get(given.id);
  checkName(given.name);
  if (before !== undefined) release(step, before);
  const owner = `service ${given.name}`;
  for (const [i, attachment] of given.networks.entries())
    at(`networks[${i}]`, () => checkAttachment(state, owner, given, attachment));
  checkTasksStay(state, owner, given);
  const { mesh: _, ...rest } = given;
  const mesh = meshOf(step, owner, given, before);
  const service: Service = {
    ...rest,
    networks: given.networks.map((n, i) =>
      at(`networks[${i}]`, () => takeVips(step, owner, given, n, before?.networks)),
    ),
    ports: state.ports.take(given, before?.ports ?? [], step),
    ...(mesh && { mesh }),
  };
  for (const { network } of service.networks) {
    const names = state.serviceNames.get(network);
    if (names === undefined) undo.set(state.serviceNames, network, new Map([[folded(service.name), service.id]]));
    else undo.set(names, folded(service.name), service.id);
  }
  if (before !== undefined && before.name !== service.name) renameTasks(step, service);
  if (same(before, service)) return undefined;
  undo.set(state.services, service.id, service);
  touched.services.add(service.id);
  if (service.mesh?.network !== before?.mesh?.network) joinMesh(step, service);
  return service;
}

/** Ports are published that were not: its tasks get their addresses on the mesh, as those that come later do. */
function joinMesh(step: Step, { id, mesh }: Service): void {
  if (mesh === undefined) return;
  for (const task of [...(step.state.tasksOf.get(id) ?? [])]) putTask(step, step.state.tasks.get(task)!);
}

/** The service's tasks go with it: without it they have no names to answer to. */
export function releaseService(step: Step, service: Service): void {
  for (const task of [...(step.state.tasksOf.get(service.id) ?? [])]) remove(step, "task", task, releaseTask);
  release(step, service);
}

function release({ state, undo }: Step, service: Service): void {
  for (const { network, vip4, vip6 } of [...service.networks, ...(service.mesh ? [service.mesh] : [])]) {
    if (vip4 !== undefined) state.pools.get(network)?.release(vip4, undo);
    if (vip6 !== undefined) state.pools.get(network)?.release(vip6, undo);
  }
  for (const { network } of service.networks) {
    const names = state.serviceNames.get(network);
    if (names === undefined) continue;
    undo.delete(names, folded(service.name));
    if (names.size === 0) undo.delete(state.serviceNames, network);
  }
  state.ports.release(service, undo);
}

/** Pools call owners as people know them, and a task is known by its service's name. */
function renameTasks({ state, undo }: Step, service: Service): void {
  for (const id of state.tasksOf.get(service.id) ?? []) {
    const task = state.tasks.get(id)!;
    for (const { network, ip4, ip6 } of task.endpoints) {
      for (const ip of [ip4, ip6])
        if (ip !== undefined) state.pools.get(network)?.reown(ip, taskOwner(service, task), undo);
    }
  }
}

const EXHAUSTED = "could not find an available IP while allocating VIP";

/** What is wrong in there says where that is. */
function at<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw within(place, error);
  }
}

/** VIPs of one attachment: as given, else as before, else allocated; none in dnsrr mode. */
function takeVips(
  step: Step,
  owner: string,
  service: Service,
  given: ServiceNetwork,
  before: readonly ServiceNetwork[] | undefined,
): ServiceNetwork {
  const { vip4: _4, vip6: _6, ...rest } = given;
  if (service.mode === "dnsrr") {
    const vip = given.vip4 ?? given.vip6;
    if (vip === undefined) return rest;
    const message = `${owner}: a dnsrr service has no VIP, ${brief(vip)} was given`;
    throw new RegistryError("invalid", message, given.vip4 === undefined ? "vip6" : "vip4");
  }
  const pool = poolOf(step.state, owner, given.network);
  const old = before?.find((n) => n.network === given.network);
  const vip4 = takeAddress(pool, step, owner, 4, "vip4", given.vip4 ?? old?.vip4, EXHAUSTED);
  const vip6 = takeAddress(pool, step, owner, 6, "vip6", given.vip6 ?? old?.vip6, EXHAUSTED);
  return { ...rest, ...(vip4 && { vip4 }), ...(vip6 && { vip6 }) };
}

/** The service's place on the routing mesh: VIPs there if it publishes a port and there is a mesh at all. */
function meshOf(step: Step, owner: string, given: Service, before: Service | undefined): Service["mesh"] {
  if (step.stored && given.mesh === undefined) return undefined; // it was there before the mesh, and was not put since
  const ingress = [...step.state.networks.values()].find((n) => n.ingress);
  if (ingress === undefined || !given.ports.some((p) => p.mode === "ingress" && p.published !== undefined))
    return undefined;
  const old = before?.mesh && { ...before.mesh, aliases: [] };
  const wanted = { aliases: [], ...given.mesh, network: ingress.id };
  const { aliases: _, ...mesh } = at("mesh", () => takeVips(step, owner, given, wanted, old && [old]));
  return mesh;
}

/** swarmkit's rule (manager/controlapi/service.go): one DNS label. */
function checkName(name: string): void {
  if (name.length > 63)
    throw new RegistryError("invalid", `service ${brief(name)}: name must be 63 characters or fewer`, "name");
  if (!/^[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?$/i.test(name)) {
    throw new RegistryError("invalid", `service ${brief(name)}: name must be valid as a DNS name component`, "name");
  }
}

function checkAttachment(state: State, owner: string, service: Service, { network, aliases }: ServiceNetwork): void {
  poolOf(state, owner, network);
  checkAliases(owner, aliases);
  if (state.networks.get(network)?.ingress) {
    throw new RegistryError(
      "invalid",
      `${owner}: Service cannot be explicitly attached to the ingress network "${nameOf(state, network)}"`,
      "network",
    );
  }
  if (service.networks.filter((n) => n.network === network).length > 1) {
    throw twice(state, owner, network);
  }
  const other = state.serviceNames.get(network)?.get(folded(service.name));
  if (other !== undefined && other !== service.id) {
    throw new RegistryError(
      "conflict",
      `${owner}: there is a service of this name on network ${nameOf(state, network)} (${brief(other)})`,
      "network",
    );
  }
}

/** A network can't be taken from a service under its tasks; of several, the first by id is named, in whatever order they came. */
function checkTasksStay(state: State, owner: string, service: Service): void {
  let named: { readonly id: string; readonly network: string } | undefined;
  for (const id of state.tasksOf.get(service.id) ?? []) {
    const lost = state.tasks.get(id)?.endpoints.find((e) => !onNetwork(state, service, e.network));
    if (lost !== undefined && (named === undefined || id < named.id)) named = { id, network: lost.network };
  }
  if (named === undefined) return;
  throw new RegistryError(
    "in-use",
    `${owner} can't leave network ${nameOf(state, named.network)}: task ${brief(named.id)} is on it`,
    "networks",
  );
}
