/** Published ports from rules. Pure. */
import { numbersText, portText } from "../../../port-ranges.ts";
import type { PublishedPort } from "../../../state.ts";
import { device, foreign, rangeIn } from "../../common/typed.ts";
import type { Family } from "../server.ts";
import { hostIn, noteOf, placeIn, portOf } from "./rule.ts";
import { CHAINS } from "./rules.ts";
import { rulesOf, type Saved } from "./saved.ts";

/** Those that are led on, let through, masqueraded if they are local, and guarded. */
export function publishedOf(saved: Saved, family: Family): PublishedPort[] {
  const masquerades = rulesOf(saved, CHAINS.MASQUERADE, family);
  const masqueraded = (bridge: string): boolean =>
    ["--src-type", "--mark"].every((way) => masquerades.some((rule) => rule.get("-o") === bridge && rule.has(way)));
  const guards = rulesOf(saved, CHAINS.GUARD, family);
  const guarded = (bridge: string): boolean =>
    family === 6 || ["-s", "-d"].every((way) => guards.some((rule) => rule.get("-i") === bridge && rule.has(way)));
  const passes = rulesOf(saved, CHAINS.PASS, family);
  const there = new Set(
    passes.filter((rule) => rule.has("--dport")).map((r) => `${r.get("-p")} ${hostIn(family, r)} ${r.get("--dport")}`),
  );
  const back = new Set(
    passes
      .filter((rule) => rule.has("--sport"))
      .map((r) => `${r.get("-p")} ${hostIn(family, r, "-s")} ${r.get("--sport")}`),
  );
  const sources = sourcesOf(saved, family);
  const rules = rulesOf(saved, CHAINS.INGRESS, family);
  const hairpins = new Set(
    rules.filter((r) => r.get("-j") === "CONNMARK").map((r) => `${r.get("-i")} ${r.get("-p")} ${r.get("--dport")}`),
  );
  return rules
    .filter((rule) => rule.has("--to-destination"))
    .flatMap((rule) => {
      const range = portOf(rule);
      const { protocol, port, last } = range;
      const { address: to, port: toPort = last === undefined ? foreign() : port } = placeIn(
        family,
        rule.get("--to-destination"),
      );
      const bridge = device(noteOf(rule));
      const numbers = numbersText(range, ":");
      const needed = `${protocol} ${to} ${last === undefined ? toPort : numbers}`;
      if (!hairpins.has(`${bridge} ${protocol} ${numbers}`) || !guarded(bridge)) return [];
      if (!there.has(needed) || !back.has(needed) || !masqueraded(bridge)) return [];
      const from = sources.get(portText(range));
      return [{ ...range, to, toPort, bridge, ...(from && { sources: from }) }];
    });
}

/** Of each port that has them; it has none if nothing ends in a drop. */
function sourcesOf(saved: Saved, family: Family): ReadonlyMap<string, readonly string[]> {
  const allowed = new Map<string, string[]>();
  const limited = new Map<string, readonly string[]>();
  for (const rule of rulesOf(saved, CHAINS.SOURCES, family)) {
    const port = portText(portOf(rule));
    const ranges = allowed.get(port) ?? [];
    allowed.set(port, ranges);
    if (limited.has(port)) return foreign(); // behind the drop
    if (rule.has("-s")) ranges.push(rangeIn(family, rule.get("-s")));
    else limited.set(port, ranges);
  }
  return limited;
}
