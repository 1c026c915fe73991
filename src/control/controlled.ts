/** What the control API stands on: of a node, just what it uses; of whoever has the config files, what only they know. */
import type { ElevenNode } from "../daemon.ts";
import { brief } from "../model/quote.ts";
import type { Kind } from "../registry/kinds.ts";

/** An `ElevenNode` is one. */
export type Controlled = Pick<
  ElevenNode,
  | "state"
  | "balance"
  | "problems"
  | "upstreams"
  | "write"
  | "rehearse"
  | "applied"
  | "drained"
  | "answer"
  | "inspect"
  | "on"
  | "off"
>;

/** Something that is wrong in a config file. */
export interface ConfigProblem {
  readonly file: string;
  /** From 1; 0: it is about the file, not about anything in it. */
  readonly line: number;
  readonly column: number;
  /** What it is about: "services", "web", "ports", 0. Missing or empty: the file as a whole. */
  readonly path?: readonly (string | number)[];
  readonly message: string;
}

/** "services.web.ports.0: must be …". */
export const whatIsWrong = ({ path = [], message }: ConfigProblem): string =>
  path.length === 0 ? message : `${path.map((step) => brief(`${step}`)).join(".")}: ${message}`;

export interface ConfigStatus {
  readonly files: readonly string[];
  /** When what is in force was read: ISO 8601. */
  readonly loaded: string;
  /** Options that are another in the files, and in force after a restart only. */
  readonly restart?: readonly string[];
  /** The last edit, if it was refused: since when, and why. */
  readonly refused?: { readonly at: string; readonly problems: readonly ConfigProblem[] };
}

export type Reloaded =
  | {
      readonly revision: number;
      /** How many objects are not what they were. */
      readonly changed: number;
      /** Options that are another, and in force after a restart only. */
      readonly restart: readonly string[];
    }
  | { readonly refused: readonly ConfigProblem[] };

/** The config that is in force. */
export interface ControlledConfig {
  status(): ConfigStatus;
  /** "/etc/eleven/eleven.yaml:12"; undefined: it is not known any more where. */
  placeOf(kind: Kind, id: string): string | undefined;
  reload(): Promise<Reloaded>;
  /** Calls back when `status` is another; what it returns ends that. */
  watch?(changed: () => void): () => void;
}
