/** A command that stays: from its start, with what signals mean to it meanwhile, to its end. */
import type { Agent } from "../agent/agent.ts";
import type { ElevenNode } from "../daemon.ts";
import { placeText } from "../model/address.ts";
import { version } from "../version.ts";
import { log, report } from "./log.ts";
import { Output } from "./output.ts";
import { untilStopped } from "./signals.ts";

/** HUP reads the config again, QUIT writes to the log how everything stands. Resolves to the exit code. */
export async function stay(start: () => Promise<Agent>): Promise<number> {
  let agent: Agent | undefined;
  const stopped = untilStopped(log, {
    SIGHUP: () => void agent?.config.reload().catch(() => {}), // it says itself what went wrong; before the start is over, files are read anyway
    SIGQUIT: () => report(agent?.state() ?? ["state: it is starting"]),
  });
  agent = await start();
  new Output(1, (lost) => `lines lost: ${lost}`).write(`eleven ${version}: ${whereItListens(agent.node)}`);
  await stopped;
  await agent.close();
  return 0;
}

function whereItListens(node: ElevenNode): string {
  const parts = [...node.state.sandboxes.keys()].map((id) => {
    const at = node.listening(id).map(({ address, port }) => placeText(address, port));
    return at.length > 0 ? `${id} on ${at.join(" ")}` : `${id} not yet`;
  });
  return parts.length > 0 ? parts.join(", ") : "no sandboxes, nothing listens";
}
