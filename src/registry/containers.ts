/** Plain containers. */
import { brief } from "../model/quote.ts";
import { same } from "../model/same.ts";
import type { Container } from "../model/types.ts";
import { releaseEndpoints, takeEndpoints } from "./endpoints.ts";
import { RegistryError } from "./error.ts";
import { checkName, folded } from "./names.ts";
import type { Step } from "./step.ts";

export function putContainer(step: Step, given: Container): Container | undefined {
  const { state, undo, touched } = step;
  const owner = `container ${brief(given.name)}`;
  checkName(owner, given.name, "name");
  checkName(owner, given.hostname, "hostname");
  const named = state.containerNames.get(folded(given.name));
  if (named !== undefined && named !== given.id) {
    throw new RegistryError("conflict", `${owner}: there is a container of this name (${brief(named)})`, "name");
  }
  const before = state.containers.get(given.id);
  const container = {
    ...given,
    endpoints: takeEndpoints(step, owner, given.endpoints, before?.endpoints ?? []),
  };
  if (same(before, container)) return undefined;
  if (before !== undefined) undo.delete(state.containerNames, folded(before.name));
  undo.set(state.containerNames, folded(container.name), container.id);
  undo.set(state.containers, container.id, container);
  touched.containers.add(container.id);
  return container;
}

export function releaseContainer({ state, undo }: Step, { name, endpoints }: Container): void {
  releaseEndpoints(state, undo, endpoints);
  undo.delete(state.containerNames, folded(name));
}
