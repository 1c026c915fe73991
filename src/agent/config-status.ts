/** How the config stands, and what a reload came to. */
import type { Problem } from "../config/problems.ts";

export interface ConfigStatus {
  /** By absolute path; "-" is standard input. */
  readonly files: readonly string[];
  /** When what is in force was read: ISO 8601. */
  readonly loaded: string;
  /** The last edit, if it was refused: since when, and why. */
  readonly refused?: { readonly at: string; readonly problems: readonly Problem[] };
  /** Options that are another in the files, and in force after a restart only. */
  readonly restart: readonly string[];
}

export type Reloaded =
  | {
      readonly revision: number;
      /** How many objects are not what they were. */
      readonly changed: number;
      readonly restart: readonly string[];
    }
  | { readonly refused: readonly Problem[] };
