/** Ids that are given twice: a registry would take the second object for another form of the first. */
import { DEFAULT_NODE } from "../model/defaults.ts";
import { brief } from "../model/quote.ts";
import type { Located } from "./convert.ts";
import { type Complain, type Path, placeText } from "./problems.ts";

/** The later of two with one id would take the place of the other. `called`: how a place is told where it is not the one complained of. */
export function checkUnique(
  all: readonly Located[],
  complain: Complain,
  called: (path: Path) => string = placeText,
): void {
  const seen = new Map<string, Path>();
  const once = (what: string, path: Path): void => {
    const other = seen.get(what);
    if (other !== undefined) complain(path, `has the same ${brief(what)} as ${called(other)}`);
    else seen.set(what, path);
  };
  for (const { change, path } of all) {
    if (change.kind === "network.put") once(`network id "${change.network.id}"`, path);
    else if (change.kind === "service.put") once(`service id "${change.service.id}"`, path);
    else if (change.kind === "container.put") once(`container id "${change.container.id}"`, path);
    else if (change.kind === "task.put") {
      const { id, service, slot, node = DEFAULT_NODE } = change.task;
      once(`task id "${id}"`, path);
      once(
        slot === undefined ? `node "${node}" in service "${service}"` : `slot ${slot} in service "${service}"`,
        path,
      );
    }
  }
}
