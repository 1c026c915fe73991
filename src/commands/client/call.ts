/** One call of a command: its words and options, and who made it. */

import type { Shell } from "../shell.ts";
import { Client } from "./client.ts";

/** What commander made of options: by their names in camel case. */
export type Given = Readonly<Record<string, unknown>>;

export interface Call {
  readonly shell: Shell;
  /** What stands behind the command and is no option. */
  readonly words: readonly string[];
  readonly options: Given;
}

export const DEFAULT_SOCKET = "/run/eleven/eleven.sock";

/** The agent that is meant: --socket, else ELEVEN_SOCKET, else where agents listen. */
export const agentOf = ({ options, shell }: Call): Client =>
  new Client((options["socket"] as string | undefined) ?? (shell.env["ELEVEN_SOCKET"] || DEFAULT_SOCKET));

export const formatOf = ({ options }: Call): string | undefined => options["format"] as string | undefined;
