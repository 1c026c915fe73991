/** One call of a command: its words and options, and who made it. */

import { CONTROL_SOCKET } from "../../model/defaults.ts";
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

/** Where that agent listens. */
export const socketOf = ({ options, shell }: Call): string =>
  (options["socket"] as string | undefined) ?? (shell.env["ELEVEN_SOCKET"] || CONTROL_SOCKET);

/** The agent that is meant: --socket, else ELEVEN_SOCKET, else where agents listen. */
export const agentOf = (call: Call): Client => new Client(socketOf(call));

export const formatOf = ({ options }: Call): string | undefined => options["format"] as string | undefined;
