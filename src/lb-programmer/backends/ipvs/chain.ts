/** What a chain of ours is, and the words that its rules are made of. Pure. */
import { familyOf } from "../../../model/address.ts";
import type { LbState, VirtualServer } from "../../state.ts";

export type Family = 4 | 6;

export interface Chain {
  readonly table: "mangle" | "nat" | "filter";
  readonly name: string;
  /** Where it is entered: a built-in chain, and what else must match. */
  readonly jumps: (family: Family) => readonly string[];
  /** Its rules, without "-A <name>". None: the chain is not there. */
  readonly rules: (state: LbState, family: Family) => readonly string[];
}

export const jump = (...jumps: string[]) => ({ jumps: () => jumps });

/** Added to the mark of connections that IPVS must not see. */
export const UNSERVED = 0x8000_0000;

/** Connection mark of those that come from the host's bridge and are led back to it; the other bits are others'. */
export const HAIRPIN = "0xe1100000/0xfff00000";

/** Takes nothing new. */
export const isIdle = ({ destinations }: Pick<VirtualServer, "destinations">): boolean =>
  destinations.every(({ weight }) => weight === 0);

/** An address as iptables and ip write a range of one. */
export const host = (address: string): string => `${address}/${familyOf(address) === 6 ? 128 : 32}`;

export const of = (family: Family, address: string): boolean => familyOf(address) === family;

export const hex = (mark: number): string => `0x${mark.toString(16)}`;

export const port = (protocol: string, side: "dport" | "sport", number: number | string): string =>
  `-p ${protocol} -m ${protocol} --${side} ${number}`;

/** A key may hold anything; a comment should hold no quotation marks, which iptables-save would write otherwise. */
export const keyText = (key: string): string => encodeURI(key).replaceAll("'", "%27");

/** What reading back needs of a server: "<key> <from> <forwarding> <vip> [keep-source]". */
const note = (s: VirtualServer): string =>
  comment([keyText(s.key), s.from, s.forwarding, s.vip, ...(s.keepSource ? ["keep-source"] : [])].join(" "));

export const markVip = (s: VirtualServer): string =>
  `-d ${host(s.vip)} ${note(s)} -j MARK --set-xmark ${hex(s.mark)}/0xffffffff`;

export const markPorts = (s: VirtualServer, where: string): string[] =>
  s.ports.map(
    (p) => `${where}${port(p.protocol, "dport", p.port)} ${note(s)} -j MARK --set-xmark ${hex(s.mark)}/0xffffffff`,
  );

export const comment = (text: string): string => `-m comment --comment "${text}"`;
