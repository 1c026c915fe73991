/** What a reload came to, in lines of the log. */
import { ConfigError } from "../config/problems.ts";
import type { Reloaded } from "../model/config-status.ts";
import type { Notice } from "../model/notice.ts";

/** Problems that are said one by one; `eleven status` has all of them. */
const MOST = 20;

/** `before`: what goes on where the config is refused. */
export function tellReload(reloaded: Reloaded, say: Notice, before = "what was in force"): void {
  if ("refused" in reloaded) {
    const lines = new ConfigError(reloaded.refused).message.split("\n");
    say(`config refused, and ${before} stays; problems: ${lines.length}`);
    for (const line of lines.slice(0, MOST)) say(line);
    if (lines.length > MOST) say(`and ${lines.length - MOST} more`);
    return;
  }
  const { revision, changed, restart } = reloaded;
  say(
    changed === 0
      ? "config read again: nothing is another"
      : `config: objects that changed: ${changed} (revision ${revision})`,
    "info",
  );
  if (restart.length > 0) say(`config: in force after a restart only: ${restart.join(", ")}`);
}
