/** What the control API stands on: of a node, just what it uses; of whoever has the config files, what only they know. */
import type { ElevenNode } from "../daemon.ts";
import type { ConfigStatus, Reloaded } from "../model/config-status.ts";
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

/** The config that is in force. */
export interface ControlledConfig {
  status(): ConfigStatus;
  /** "/etc/eleven/eleven.yaml:12"; undefined: it is not known any more where. */
  placeOf(kind: Kind, id: string): string | undefined;
  reload(): Promise<Reloaded>;
  /** Calls back when `status` is another; what it returns ends that. */
  watch?(changed: () => void): () => void;
}
