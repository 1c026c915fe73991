/** A patch is the put of what is there, with some fields changed. */
import type { GivenPatch } from "../model/change.ts";
import { brief } from "../model/quote.ts";
import type { Service } from "../model/types.ts";
import { RegistryError } from "./error.ts";
import type { State } from "./state.ts";

/** The put that it comes to, to be read like any other: a field that goes back to its default is left out there. */
export function patched(state: State, { kind, id, patch }: GivenPatch): { readonly kind: string } {
  const { name, object } = target(state, kind, id);
  if (object === undefined)
    throw new RegistryError("unknown", `${kind}: there is no ${name} "${brief(id)}"; put it first`);
  const fields = Object.entries({ ...object, ...patch }).filter(([, value]) => value !== null);
  return { kind: `${name}.put`, [name]: Object.fromEntries(fields) };
}

function target(state: State, kind: GivenPatch["kind"], id: string): { name: string; object: object | undefined } {
  switch (kind) {
    case "network.patch":
      return { name: "network", object: state.networks.get(id) };
    case "service.patch":
      return { name: "service", object: withoutVips(state.services.get(id)) };
    case "task.patch":
      return { name: "task", object: state.tasks.get(id) };
    case "container.patch":
      return { name: "container", object: state.containers.get(id) };
    case "sandbox.patch":
      return { name: "sandbox", object: state.sandboxes.get(id) };
  }
}

/** Its VIPs stay by being left out, and are no obstacle if the patch makes it a service that has none. */
function withoutVips(service: Service | undefined): object | undefined {
  if (service === undefined) return undefined;
  const { mesh: _, ...rest } = service;
  return { ...rest, networks: service.networks.map(({ network, aliases }) => ({ network, aliases })) };
}
