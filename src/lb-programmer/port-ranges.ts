/** Ports of a state that follow each other are one range: one element of a kernel's interval map, one rule. Pure. */
import { familyOf } from "../model/address.ts";
import type { PortRange, PublishedPort } from "./state.ts";

export const lastOf = ({ port, last = port }: Pick<PortRange, "port" | "last">): number => last;

/** How many ports that is. */
export const countOf = (ranges: readonly PortRange[]): number =>
  ranges.reduce((sum, range) => sum + lastOf(range) - range.port + 1, 0);

/** "8080", "8000-8010". */
export const numbersText = ({ port, last }: Pick<PortRange, "port" | "last">, between = "-"): string =>
  last === undefined ? `${port}` : `${port}${between}${last}`;

/** "tcp 8000-8010". */
export const portText = (range: PortRange): string => `${range.protocol} ${numbersText(range)}`;

/** From the first port to the last: a single port has no `last`. */
export const rangeOf = <T extends PortRange>(first: T, last: number): T => {
  const { last: _, ...rest } = first;
  return (last > first.port ? { ...rest, last } : rest) as T;
};

/** Neighbours from this many on are one range; a few that happen to be side by side stay by themselves, as Docker has them. */
const MANY = 8;

/** Ports in order, many neighbours of one protocol as a range. None may be there twice. */
export function joined(ports: readonly PortRange[]): PortRange[] {
  const inOrder = [...ports].sort((a, b) =>
    a.protocol === b.protocol ? a.port - b.port : a.protocol < b.protocol ? -1 : 1,
  );
  return ranges(inOrder, (a, b) => a.protocol === b.protocol);
}

/** The same for ports that keep their number and lead to the same place, where one is listed right after its neighbour. */
export const joinedPublished = (ports: readonly PublishedPort[]): PublishedPort[] => ranges(ports, keepsOn);

function ranges<T extends PortRange>(ports: readonly T[], alike: (a: T, b: T) => boolean): T[] {
  const runs: T[][] = [];
  for (const port of ports) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (before !== undefined && lastOf(before) + 1 === port.port && alike(before, port)) run!.push(port);
    else runs.push([port]);
  }
  return runs.flatMap((run) => (run.length < MANY ? run : [rangeOf(run[0]!, lastOf(run.at(-1)!))]));
}

const keepsOn = (a: PublishedPort, b: PublishedPort): boolean =>
  a.toPort === a.port &&
  b.toPort === b.port &&
  a.protocol === b.protocol &&
  a.to === b.to &&
  a.bridge === b.bridge &&
  sameTexts(a.sources, b.sources);

/** The ports of a range, each by itself. */
export function single(published: PublishedPort): readonly PublishedPort[] {
  if (published.last === undefined) return [published];
  const { last, ...first } = published;
  const { port } = first;
  return Array.from({ length: last - port + 1 }, (_, i) => ({ ...first, port: port + i, toPort: port + i }));
}

/** Those of `there` that have a port in common with one of `wanted`: both can't be in a kernel. */
export function inTheWay(there: readonly PublishedPort[], wanted: readonly PublishedPort[]): readonly PublishedPort[] {
  if (there.length === 0) return there;
  const ranges = wanted.filter(({ last }) => last !== undefined);
  const singles = new Set(wanted.filter(({ last }) => last === undefined).map(placeOf));
  return there.filter(
    (old) =>
      ranges.some((range) => overlap(old, range)) ||
      (old.last === undefined ? singles.has(placeOf(old)) : wanted.some((port) => overlap(old, port))),
  );
}

const placeOf = ({ protocol, port, to }: PublishedPort): string => `${protocol} ${port} ${familyOf(to)}`;

/** They have a port in common. */
export const overlap = (a: Placed, b: Placed): boolean =>
  a.port <= lastOf(b) &&
  b.port <= lastOf(a) &&
  a.protocol === b.protocol &&
  familyOf(a.to ?? "") === familyOf(b.to ?? "");

/** Published, or in a list of one address family. */
type Placed = PortRange & { readonly to?: string };

const NO_PORTS: readonly PortRange[] = [];

/** In whatever order. */
export function samePorts(a: readonly PortRange[] = NO_PORTS, b: readonly PortRange[] = NO_PORTS): boolean {
  if (a === b || (a.length === 0 && b.length === 0)) return true;
  return sameTexts(a.map(portText), b.map(portText));
}

/** The same texts in whatever order, each there once; or none on both sides. */
export function sameTexts(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  const there = new Set(a);
  return b.every((text) => there.has(text));
}
