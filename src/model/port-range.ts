/** Ranges of ports as people write them, "8000-8010", and the single ports that are meant. Pure. */

/** Ports in one range: each of them is claimed, has its SRV names and is reserved on the host. */
export const WIDEST = 1_000;

/** A port, or the range from the first to the last. */
export type Ports = number | string;

/** "8000-8010" to its first and last port; undefined if it is no range. */
export function parseRange(text: string): readonly [first: number, last: number] | undefined {
  const [, from, to] = /^([1-9]\d{0,4})-([1-9]\d{0,4})$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)]; // NaN is not less than NaN
  return first <= last && last <= 65_535 ? [first, last] : undefined;
}

/** What is wrong with a range, to be read behind its place. */
export function rangeProblem(text: string): string | undefined {
  const range = parseRange(text);
  if (range === undefined) return 'must be a port from 1 to 65535 or a range such as "8000-8010"';
  return width(text) > WIDEST ? `must be a range of at most ${WIDEST} ports` : undefined;
}

/** What is wrong with `published`, if each is right by itself (else that is said): a range has a port outside for each one inside. */
export function publishedProblem(target: Ports, published: Ports | undefined): string | undefined {
  if (published === undefined || published === 0 || !arePorts(target) || !arePorts(published)) return undefined;
  if (width(published) === width(target)) return undefined;
  return `must have as many ports as target (${width(target)})`;
}

/** Port by port. What is published as 0 stays so: each gets a number of its own. */
export function eachPort<T extends { readonly target: Ports; readonly published?: Ports | undefined }>(
  port: T,
): readonly (Omit<T, "target" | "published"> & { readonly target: number; readonly published?: number })[] {
  const { target, published, ...rest } = port;
  return Array.from({ length: width(target) }, (_, i) => {
    const outside = published === 0 ? 0 : published === undefined ? undefined : firstOf(published) + i;
    return { ...rest, target: firstOf(target) + i, ...(outside !== undefined && { published: outside }) };
  });
}

const arePorts = (given: Ports): boolean => typeof given === "number" || parseRange(given) !== undefined;

const firstOf = (ports: Ports): number => (typeof ports === "number" ? ports : parseRange(ports)![0]);

function width(ports: Ports): number {
  const [first, last] = typeof ports === "number" ? [ports, ports] : parseRange(ports)!;
  return last - first + 1;
}
