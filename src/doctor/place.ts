/** Files of ours on this machine: state and socket. */
import { dirname } from "node:path";
import { type Check, ok, problem, unknown, warning } from "./finding.ts";

/** What is remembered over restarts must be nobody else's. */
export const stateDirectory =
  (path: string): Check =>
  ({ owner, root, isThere }) => {
    const there = owner(path);
    if (there === undefined)
      return isThere(path) || isThere(dirname(path))
        ? ok("state", `${path} is made at the first start`)
        : problem("state", `${dirname(path)} is not there`, `mkdir -p ${dirname(path)}, or state_dir in the config`);
    if (!there.directory) return problem("state", `${path} is no directory`, `mv ${path} ${path}.old`);
    if (root && there.uid !== 0)
      return problem("state", `${path} belongs to user ${there.uid}`, `chown -R root: ${path}`);
    if ((there.mode & 0o077) !== 0)
      return problem("state", `others may look into ${path} (mode ${there.mode.toString(8)})`, `chmod 700 ${path}`);
    return ok("state", path);
  };

/** `answers`: what the agent behind the socket says of itself; "not allowed" if this user may not ask it, undefined if nobody answers there. */
export const agent =
  (socket: string, answers: AgentAnswer | "not allowed" | undefined): Check =>
  ({ isThere }) => {
    if (answers === "not allowed")
      return unknown(
        "agent",
        `this user may not talk to it on ${socket}`,
        "sudo eleven doctor; or let a group in: control: { group: NAME } in its config",
      );
    if (answers === undefined)
      return isThere(socket)
        ? warning(
            "agent",
            `nobody answers on ${socket}`,
            "sudo eleven agent --config FILE; or say where it is: --socket",
          )
        : unknown("agent", `does not run (there is no ${socket})`, "sudo eleven agent --config FILE");
    const { version, problems } = answers;
    if (problems.length === 0) return ok("agent", `version ${version} answers on ${socket}`);
    return problem("agent", problems.join("; "), "eleven status says more; eleven lb diff, eleven lb repair");
  };

export interface AgentAnswer {
  readonly version: string;
  /** What it says is wrong: sandboxes that don't answer, degraded namespaces, a refused config. */
  readonly problems: readonly string[];
}
