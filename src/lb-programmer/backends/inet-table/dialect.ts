/** What backends with a table `inet eleven` differ in: its base chains, and what a server consists of there. */
import type { VirtualServer } from "../../state.ts";
import type { Parts, Placed } from "./parts.ts";
import type { Keyed } from "./sets.ts";
import type { Skeleton } from "./skeleton.ts";

export interface Dialect {
  readonly skeleton: Skeleton;
  /** Maps that have a server's published ports, and those that are declared; and what they have for a server of this mark. */
  readonly led: { readonly ports: readonly Keyed[]; readonly declared: readonly Keyed[]; to(mark: string): string };
  /** From what is there to what shall be. */
  step(before: Installed | undefined, server: VirtualServer | undefined): Step;
  /** What a new table has of the server that another new table may have otherwise: elements of maps of slots. */
  turn(server: VirtualServer): { readonly installed: Installed; readonly slots: readonly Placed[] };
  /** The server as the table has it; undefined if it has something else. `there`: elements by where they are. */
  asFound(server: VirtualServer, there: ReadonlyMap<string, Placed>): Found | undefined;
  /** Mark of the server that may have left this behind, between two transactions of a step. */
  readonly leaver: {
    chain(name: string): string | undefined;
    set(name: string): string | undefined;
    element(element: Placed): string | undefined;
  };
}

/** A server as it is in the kernel, in which of the forms that it can have there. */
export interface Installed {
  readonly server: VirtualServer;
  readonly form: number;
  /** What a step that was interrupted has left beside it: nobody is led there. */
  readonly left?: Parts;
}

/** Elements that are the same before and after may be in neither. */
export interface Step {
  readonly before: Parts;
  readonly after: Parts;
  /** What is there then. */
  readonly installed: Installed | undefined;
}

export interface Found {
  readonly installed: Installed;
  readonly parts: Parts;
}
