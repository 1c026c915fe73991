/** Everything that exists, with the indexes and pools that let one change be checked without looking at the rest. */
import type { Container, Network, ReadonlyState, Sandbox, SandboxId, Service, Task, Touched } from "../model/types.ts";
import type { AddressPool } from "./address-pool.ts";
import { PortPool } from "./port-pool.ts";
import { Ranges } from "./ranges.ts";

export class State implements ReadonlyState {
  revision = 0;
  readonly networks = new Map<string, Network>();
  readonly services = new Map<string, Service>();
  readonly tasks = new Map<string, Task>();
  readonly containers = new Map<string, Container>();
  readonly sandboxes = new Map<string, Sandbox>();
  readonly tasksOf = new Map<string, Set<string>>();

  /** By network id. */
  readonly pools = new Map<string, AddressPool>();
  /** Of all networks. */
  readonly ranges = new Ranges();
  readonly ports = new PortPool();
  /** Lower-cased name to id. Services: by network id first, since only there they must differ. */
  readonly networkNames = new Map<string, string>();
  readonly serviceNames = new Map<string, Map<string, string>>();
  readonly containerNames = new Map<string, string>();
  /** "address port source" to the sandbox that is asked there. */
  readonly listeners = new Map<string, SandboxId>();
}

/** Ids collected while a batch is reduced. */
export type Touching = { readonly [Kind in keyof Touched]: Set<string> };

export const nothingTouched = (): Touching => ({
  networks: new Set(),
  services: new Set(),
  tasks: new Set(),
  containers: new Set(),
  sandboxes: new Set(),
  tasksOf: new Set(),
});
