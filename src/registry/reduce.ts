/**
 * Applies a batch of changes to the state: all of them, or none and a RegistryError. Each step checks, allocates what was
 * left out, and remembers how to take itself back.
 */

import { type Cidr, canonicalAddress, parseCidr } from "../model/address.ts";
import type { Change, Endpoint, ServiceNetwork } from "../model/types.ts";
import { spokenAddress } from "./address-pool.ts";
import { putContainer, removeContainer } from "./containers.ts";
import { RegistryError } from "./error.ts";
import { putNetwork, removeNetwork } from "./networks.ts";
import { portKey } from "./port-pool.ts";
import { putSandbox, removeSandbox } from "./sandboxes.ts";
import { putService, removeService } from "./services.ts";
import { nothingTouched, type State, type Touching } from "./state.ts";
import type { Step } from "./step.ts";
import { putTask, removeTask } from "./tasks.ts";
import { Undo } from "./undo.ts";

/** What was touched, and the changes as they came to be (addresses filled in); puts that change nothing are left out. */
export interface Reduced {
  readonly touched: Touching;
  readonly changes: readonly Change[];
  /** Takes all of it back; only as long as nothing was done since. */
  readonly undo: () => void;
}

export function reduce(state: State, changes: readonly Change[]): Reduced {
  const step: Step = {
    state,
    undo: new Undo(),
    touched: nothingTouched(),
    spoken: spokenFor(changes),
    subnets: subnetsOf(changes),
  };
  const done: Change[] = [];
  for (const [index, change] of changes.entries()) {
    try {
      const applied = one(step, change);
      if (applied !== undefined) done.push(applied);
    } catch (error) {
      step.undo.rollback();
      if (error instanceof RegistryError) Object.assign(error, { op: change.kind, index });
      throw error;
    }
  }
  return { touched: step.touched, changes: done, undo: () => step.undo.rollback() };
}

const subnetsOf = (changes: readonly Change[]): Cidr[] =>
  changes
    .flatMap((c) => (c.kind === "network.put" ? c.network.subnets.map((s) => parseCidr(s.cidr)) : []))
    .filter((c) => c !== undefined);

function spokenFor(changes: readonly Change[]): Set<string> {
  const spoken = new Set<string>();
  const add = (network: string, address: string | undefined): void => {
    if (address !== undefined) spoken.add(spokenAddress(network, canonicalAddress(address) ?? address));
  };
  const endpoint = ({ network, ip4, ip6 }: Endpoint): void => {
    add(network, ip4);
    add(network, ip6);
  };
  const attachment = ({ network, vip4, vip6 }: ServiceNetwork): void => {
    add(network, vip4);
    add(network, vip6);
  };
  if (changes.length < 2 && changes[0]?.kind !== "service.put") return spoken;
  for (const change of changes) {
    if (change.kind === "task.put") change.task.endpoints.forEach(endpoint);
    else if (change.kind === "container.put") change.container.endpoints.forEach(endpoint);
    else if (change.kind === "service.put") {
      change.service.networks.forEach(attachment);
      if (change.service.mesh) attachment({ aliases: [], ...change.service.mesh });
      for (const { published, protocol } of change.service.ports)
        if (published) spoken.add(portKey(published, protocol));
    }
  }
  return spoken;
}

/** The change as it came to be, or undefined if nothing changed. */
function one(step: Step, change: Change): Change | undefined {
  switch (change.kind) {
    case "network.put":
      return put(change.kind, "network", putNetwork(step, change.network));
    case "service.put":
      return put(change.kind, "service", putService(step, change.service));
    case "task.put":
      return put(change.kind, "task", putTask(step, change.task));
    case "container.put":
      return put(change.kind, "container", putContainer(step, change.container));
    case "sandbox.put":
      return put(change.kind, "sandbox", putSandbox(step, change.sandbox));
    case "network.remove":
      return removeNetwork(step, change.id) ? change : undefined;
    case "service.remove":
      return removeService(step, change.id) ? change : undefined;
    case "task.remove":
      return removeTask(step, change.id) ? change : undefined;
    case "container.remove":
      return removeContainer(step, change.id) ? change : undefined;
    case "sandbox.remove":
      return removeSandbox(step, change.id) ? change : undefined;
  }
}

const put = (kind: Change["kind"], name: string, object: object | undefined): Change | undefined =>
  object === undefined ? undefined : ({ kind, [name]: object } as unknown as Change);
