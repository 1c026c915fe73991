/**
 * iptables' FORWARD chain, of both variants (a machine may have rules in each): what was led over our bridges is accepted there, in a chain of
 * our own, wherever FORWARD holds anything. With Docker its place is the end of DOCKER-USER: behind what the operator forbids there, as
 * Docker's own swarm has it, and before Docker's isolation of bridges. Pure.
 */
export const CHAIN = "ELEVEN-FORWARD";

/** Of `iptables -S`: what this is about. */
export const forwardRules = (listing: string): readonly string[] =>
  listing.split("\n").filter((line) => /^-[PA] (FORWARD|ELEVEN-FORWARD|DOCKER-USER) /.test(line));

/** Nothing there that could drop, or our chain in its place. */
export function isOpen(rules: readonly string[], bridges: readonly string[]): boolean {
  if (rules.every((rule) => rule === "-P FORWARD ACCEPT" || rule.startsWith("-A DOCKER-USER "))) return true;
  const wanted = bridges.flatMap(accepting);
  const ours = rules.filter((rule) => rule.startsWith(`-A ${CHAIN} `));
  if (ours.length !== wanted.length || !wanted.every((rule) => ours.includes(rule))) return false;
  const place = placeIn(rules);
  const jumps = PLACES.filter((chain) => rules.includes(jumpFrom(chain)));
  if (jumps.join() !== place) return false;
  const before = rules.slice(0, rules.indexOf(jumpFrom(place)));
  return !before.some((rule) => ends(rule, place));
}

/** Lines for iptables-restore that make it so, whatever is there. */
export function opening(rules: readonly string[], bridges: readonly string[]): readonly string[] {
  const place = placeIn(rules);
  const others = rules.filter((rule) => rule.startsWith(`-A ${place} `) && rule !== jumpFrom(place));
  const end = others.findIndex((rule) => ends(rule, place));
  const at = place === "FORWARD" ? 1 : (end < 0 ? others.length : end) + 1;
  return [`:${CHAIN} - [0:0]`, ...bridges.flatMap(accepting), ...removingJumps(rules), `-I ${place} ${at} -j ${CHAIN}`];
}

/** Lines that take it back; undefined if there is nothing of ours. */
export function closing(rules: readonly string[]): readonly string[] | undefined {
  if (!rules.some((rule) => rule.includes(CHAIN))) return undefined;
  return [`:${CHAIN} - [0:0]`, ...removingJumps(rules), `-X ${CHAIN}`];
}

const PLACES = ["FORWARD", "DOCKER-USER"] as const;
type Place = (typeof PLACES)[number];

const placeIn = (rules: readonly string[]): Place =>
  rules.includes("-A FORWARD -j DOCKER-USER") ? "DOCKER-USER" : "FORWARD";

const jumpFrom = (chain: Place): string => `-A ${chain} -j ${CHAIN}`;

const removingJumps = (rules: readonly string[]): readonly string[] =>
  rules.filter((rule) => PLACES.some((chain) => rule === jumpFrom(chain))).map((rule) => rule.replace("-A", "-D"));

/** ctstate DNAT is said of packets in both directions. */
const accepting = (bridge: string): readonly string[] => [
  `-A ${CHAIN} -o ${bridge} -m conntrack --ctstate DNAT -j ACCEPT`,
  `-A ${CHAIN} -i ${bridge} -m conntrack --ctstate DNAT -j ACCEPT`,
];

/** Nothing goes past it: a rule behind it is never reached. */
const ends = (rule: string, chain: Place): boolean => new RegExp(`^-A ${chain} -j (RETURN|DROP|REJECT)\\b`).test(rule);
