/** Where an agent's objects are, for those who have to find them without it. */
import { join } from "node:path";
import { defaultStateDir } from "../../os/state-dir.ts";

/** The directory of the store of an agent with this state directory. */
export const storeIn = (stateDir = defaultStateDir()): string => join(stateDir, "objects");

/** The file in there. */
export const logIn = (directory: string): string => join(directory, "objects.log");

/** The file in there that its owner has locked. */
export const LOCK = "lock";
