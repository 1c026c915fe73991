/** Small objects for the suite of stores, and everything that a registry holds of them. */
import type { ChangeInput, ContainerInput, NetworkInput, ServiceInput } from "../model/input.ts";
import type { Registry } from "../registry/registry.ts";

/** Everything that a registry holds; how it came to it (the revision) left out. */
export const objects = ({ state: { networks, services, tasks, containers, sandboxes } }: Registry) => ({
  networks,
  services,
  tasks,
  containers,
  sandboxes,
});

export const on = (...networks: string[]) => networks.map((network) => ({ network }));

export const network = (name: string, more: Partial<NetworkInput> = {}): ChangeInput => ({
  kind: "network.put",
  network: { name, ...more },
});

export const NET = network("n", { subnets: [{ cidr: "10.0.1.0/24" }] });

export const container = (name: string, { state, endpoints = on("n") }: Partial<ContainerInput> = {}): ChangeInput => ({
  kind: "container.put",
  container: { name, endpoints, ...(state && { state }) },
});

export const service = (name: string, { networks = on("n"), ports = [] }: Partial<ServiceInput> = {}): ChangeInput => ({
  kind: "service.put",
  service: { name, networks, ports },
});

export const task = (id: string, service: string): ChangeInput => ({ kind: "task.put", task: { id, service } });

export const sandbox = (id: string): ChangeInput => ({
  kind: "sandbox.put",
  sandbox: { member: { kind: "container", id } },
});
