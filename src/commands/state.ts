/** `eleven state backup`, `restore` and `check`: what an agent has stored, without the agent. */
import { MAPS } from "../registry/kinds.ts";
import { backup, restore } from "../registry/stores/backup.ts";
import { type Checked, checkLog } from "../registry/stores/check-log.ts";
import { logIn, storeIn } from "../registry/stores/place.ts";
import { StoreError } from "../registry/stores/store.ts";
import { complain, print } from "./print.ts";

export interface StateOptions {
  /** The agent's. Default: as for an agent whose config has no `state_dir`. */
  readonly stateDir?: string | undefined;
}

/** Writes a backup to a new file; the agent may be running. Resolves to the exit code. */
export function backupState(to: string, { stateDir }: StateOptions = {}): Promise<number> {
  return done(async () => {
    const saved = await backup(storeIn(stateDir), to);
    return [`${to}: revision ${saved.revision}, ${countsOf(saved)}`, ...tornTail(saved)];
  });
}

/** Puts a backup in the place of what is stored; the agent must have ended. Resolves to the exit code. */
export function restoreState(from: string, { stateDir }: StateOptions = {}): Promise<number> {
  return done(async () => {
    const directory = storeIn(stateDir);
    const restored = await restore(from, directory, (message) => complain(`eleven: ${message}`));
    const before = restored.before === undefined ? [] : [`what was there is kept: ${restored.before}`];
    return [`${logIn(directory)}: revision ${restored.revision}, ${countsOf(restored)}`, ...before];
  });
}

/** Says what is stored, or what is wrong with it; of a backup, too. Resolves to the exit code. */
export function checkState(file: string | undefined, { stateDir }: StateOptions = {}): Promise<number> {
  return done(async () => {
    const path = file ?? logIn(storeIn(stateDir));
    const stored = await checkLog(path);
    const { version, revision } = stored;
    return [`${path}: good (version ${version}, revision ${revision}, ${countsOf(stored)})`, ...tornTail(stored)];
  });
}

async function done(work: () => Promise<readonly string[]>): Promise<number> {
  try {
    for (const line of await work()) print(line);
    return 0;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    complain(`eleven: ${error.message}`);
    return 1;
  }
}

/** "1 networks, 2 services, …", in the words of `config check`. */
const countsOf = ({ counts }: Checked): string =>
  [...counts].map(([kind, count]) => `${count} ${MAPS[kind]}`).join(", ");

const tornTail = ({ torn, length }: Checked): string[] =>
  torn === 0
    ? []
    : [`behind octet ${length} are ${torn} more that were being written: nobody was told that they are stored`];
