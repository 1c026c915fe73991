/** How a process's config stands, and what a reload of it came to: said by whoever has the files, shown by whoever is asked. */

/** Something that is wrong in a config file. */
export interface ConfigProblem {
  readonly file: string;
  /** From 1; 0: it is about the file, not about anything in it. */
  readonly line: number;
  readonly column: number;
  /** What it is about: "services", "web", "ports", 0. Empty: the file as a whole. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface ConfigStatus {
  /** By absolute path; "-" is standard input. */
  readonly files: readonly string[];
  /** When what is in force was read: ISO 8601. */
  readonly loaded: string;
  /** Options that are another in the files, and in force after a restart only. */
  readonly restart: readonly string[];
  /** The last edit, if it was refused: since when, and why. */
  readonly refused?: { readonly at: string; readonly problems: readonly ConfigProblem[] };
}

export type Reloaded =
  | {
      readonly revision: number;
      /** How many objects are not what they were. */
      readonly changed: number;
      readonly restart: readonly string[];
    }
  | { readonly refused: readonly ConfigProblem[] };
