/** How everything stands, in lines for people: what SIGQUIT writes to the log. */
import { ConfigError } from "../config/problems.ts";
import type { ElevenNode } from "../daemon.ts";
import { placeText } from "../model/address.ts";
import type { ConfigStatus } from "../model/config-status.ts";

export interface Standing {
  readonly node: Pick<ElevenNode, "state" | "problems" | "balance" | "upstreams">;
  readonly config: ConfigStatus;
  /** Since it answers. */
  readonly seconds: number;
}

/** Of each list; the rest is counted. */
const MOST = 20;

export function stateLines({ node, config, seconds }: Standing): string[] {
  const { revision, networks, services, tasks, containers, sandboxes } = node.state;
  const counts = Object.entries({ networks, services, tasks, containers, sandboxes }).map(([k, v]) => `${v.size} ${k}`);
  const { files, loaded, refused, restart } = config;
  return [
    `state: revision ${revision}, up ${Math.round(seconds)} s`,
    `state: ${counts.join(", ")}`,
    ...few(
      "problem",
      [...node.problems].map(([id, problem]) => `sandbox ${id}: ${problem.message}`),
    ),
    ...few(
      "balance",
      node.balance.map(
        ({ target, state, revision, reason }) =>
          `${target}: ${state}, revision ${revision}${reason ? ` (${reason})` : ""}`,
      ),
    ),
    ...few("upstream", upstreamsOf(node)),
    ...few(
      "config",
      files.map((file) => `${file}, read ${loaded}`),
    ),
    `config: in force after a restart only: ${restart.join(", ") || "none"}`,
    ...few(
      "config refused",
      (refused?.problems ?? []).map((problem) => `${refused!.at}: ${new ConfigError([problem]).message}`),
    ),
  ];
}

/** The node's own; those of containers are as many as they like. */
function upstreamsOf({ upstreams: { node, down } }: Standing["node"]): string[] {
  const silent = new Set(down.map(({ address, port }) => placeText(address, port)));
  return node.map(({ address, port, domains = [] }) => {
    const place = placeText(address, port);
    return [place, ...domains.map((d) => `for ${d}`), ...(silent.has(place) ? ["(does not answer)"] : [])].join(" ");
  });
}

/** "problem: none", or a line for each. */
function few(what: string, all: readonly string[]): string[] {
  if (all.length === 0) return [`${what}: none`];
  const more = all.length > MOST ? [`${what}: and ${all.length - MOST} more`] : [];
  return [...all.slice(0, MOST).map((one) => `${what}: ${one}`), ...more];
}
