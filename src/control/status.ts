/** How the agent stands, on one page. */
import type { ConfigProblem, ConfigStatus } from "../model/config-status.ts";
import { brief } from "../model/quote.ts";
import { version } from "../version.ts";
import type { Control } from "./control.ts";
import { degradedOf } from "./waits.ts";

export function statusOf({ node, config, started, ready }: Control): object {
  const { state, balance, problems, upstreams } = node;
  const { networks, services, tasks, containers, sandboxes } = state;
  const inState = (wanted: string): number => balance.filter((target) => target.state === wanted).length;
  return {
    version,
    revision: state.revision,
    uptime: Math.round((Date.now() - started) / 1_000),
    ready: ready(),
    ...(config && { config: configOf(config.status()) }),
    problems: [...problems].map(([sandbox, { message }]) => ({ sandbox, problem: message })),
    balance: {
      targets: balance.length,
      equal: inState("equal"),
      working: inState("working"),
      degraded: degradedOf(balance),
    },
    upstreams: { down: upstreams.down },
    counts: {
      networks: networks.size,
      services: services.size,
      tasks: tasks.size,
      containers: containers.size,
      sandboxes: sandboxes.size,
    },
  };
}

/** "services.web.ports.0: must be …". */
export const whatIsWrong = ({ path, message }: ConfigProblem): string =>
  path.length === 0 ? message : `${path.map((step) => brief(`${step}`)).join(".")}: ${message}`;

/** Also what the event "config" says. */
export function configOf({ refused, ...status }: ConfigStatus): object {
  if (refused === undefined) return status;
  const problems = refused.problems.map((problem) => {
    const { file, line, column } = problem;
    return { file, line, column, message: whatIsWrong(problem) };
  });
  return { ...status, refused: { at: refused.at, problems } };
}
