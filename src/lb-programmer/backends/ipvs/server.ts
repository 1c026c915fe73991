/** What both kinds of rules know of virtual servers. Pure. */
import type { VirtualServer } from "../../state.ts";

export type Family = 4 | 6;

/** Added to the mark of connections that IPVS must not see. */
export const UNSERVED = 0x8000_0000;

/** Takes nothing new. */
export const isIdle = ({ destinations }: Pick<VirtualServer, "destinations">): boolean =>
  destinations.every(({ weight }) => weight === 0);

/** For connections that start in this namespace. */
export const isLocal = ({ from }: VirtualServer): boolean => from === "local";
