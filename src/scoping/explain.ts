/**
 * Why a name is answered as it is: what `Scope.lookup` tries, in its order, and what it finds. Not for the query road. A property test
 * holds both against each other.
 */
import { nameKey } from "../model/name.ts";
import type { NetworkId } from "../model/types.ts";
import { BLOCKED, BLOCKED_ABOVE, FORWARD, NODATA, NXDOMAIN, type Outcome, SEARCH } from "./outcome.ts";
import { OTHER, readReverse } from "./reverse.ts";
import { type Scope, type View, wildcardFor } from "./scope.ts";
import { specialZone } from "./special.ts";

/** One look into one network. */
export interface Tried {
  readonly network: NetworkId;
  /** "link": a private alias of this sandbox. "qualified": with the network's name at its end, which is cut off. */
  readonly as: "link" | "name" | "qualified" | "wildcard";
  /** What was looked for there. */
  readonly key: string;
  readonly found: boolean;
}

export interface NameExplanation {
  readonly outcome: Outcome;
  readonly tried: readonly Tried[];
  /** Where it was found: the last of `tried`, or of several the one that counts. */
  readonly found?: Tried;
  /** What decided it where no network knows the name. */
  readonly rule?: string;
}

/** `networks`: the ids of the scope's views, in their order. `key` as `nameKey` makes it. */
export function explainName(scope: Scope, networks: readonly NetworkId[], key: string, type: number): NameExplanation {
  const outcome = scope.lookup(key, type);
  const search = new Search(scope.views.map((view, i) => ({ ...view, network: networks[i]! })));
  const found = search.of(key);
  const { tried } = search;
  return found === undefined ? { outcome, tried, rule: ruleOf(outcome, key) } : { outcome, tried, found };
}

interface PlacedView extends View {
  readonly network: NetworkId;
}

/** The steps of `Scope`, each written down. */
class Search {
  readonly tried: Tried[] = [];
  readonly #views: readonly PlacedView[];

  constructor(views: readonly PlacedView[]) {
    this.#views = views;
  }

  of(key: string): Tried | undefined {
    return (
      first(this.#views, (view) => this.#look(view, "link", view.links?.get(key))) ??
      first(this.#views, (view) => this.#look(view, "name", key)) ??
      this.#qualified(key, (view, name) => this.#look(view, "qualified", name)) ??
      first(this.#views, (view) => this.#look(view, "wildcard", wildcardFor(view.zone, key))) ??
      this.#qualified(key, (view, name) => this.#look(view, "wildcard", wildcardFor(view.zone, name)))
    );
  }

  #look(view: PlacedView, as: Tried["as"], key: string | undefined): Tried | undefined {
    if (key === undefined) return undefined;
    const step = { network: view.network, as, key, found: view.zone.names.has(key) };
    this.tried.push(step);
    return step.found ? step : undefined;
  }

  /** In front of a network's name, and there a link comes first. Of several networks, that with the shortest name. */
  #qualified(key: string, look: (view: PlacedView, name: string) => Tried | undefined): Tried | undefined {
    const isEnd = ({ zone: { suffix } }: PlacedView) =>
      suffix !== "" && suffix.length < key.length && key.endsWith(suffix);
    const views = this.#views.filter(isEnd).sort((a, b) => a.zone.suffix.length - b.zone.suffix.length);
    return first(views, (view) => {
      const name = key.slice(0, -view.zone.suffix.length);
      const target = view.links?.get(name);
      return (target === undefined ? undefined : look(view, target)) ?? look(view, name);
    });
  }
}

function first<T, R>(values: Iterable<T>, search: (value: T) => R | undefined): R | undefined {
  for (const value of values) {
    const found = search(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** No network knows the name: what was decided tells by what. */
function ruleOf(outcome: Outcome, key: string): string {
  if (outcome === FORWARD) return "no network of the sandbox knows it: it is forwarded";
  if (outcome === SEARCH)
    return "no network knows it, it is one label, and ndots is set: the C library goes on with its search list";
  if (outcome === BLOCKED || outcome === BLOCKED_ABOVE)
    return "no network knows it, and they are all internal: nothing is forwarded";
  if (specialZone(key) !== undefined) return "a special name (RFC 6761, 6303): it is never forwarded";
  if (outcome === NODATA) return "above addresses of the sandbox's networks: the name is there, and has no records";
  if (outcome === NXDOMAIN && readReverse(key) !== undefined && readReverse(key) !== OTHER)
    return "an address of the sandbox's networks that nobody has: it is not forwarded";
  return key.endsWith(ARPA)
    ? "in the reverse zone of the sandbox's networks"
    : "below a name of a service: nobody outside can know it";
}

const ARPA = nameKey("arpa");
