/** What a chain of ours is, and the words that its rules are made of. Pure. */
import { familyOf } from "../../../../model/address.ts";
import { numbersText } from "../../../port-ranges.ts";
import type { LbState, PortRange, VirtualServer } from "../../../state.ts";
import { type Family, UNSERVED } from "../server.ts";

export interface Chain {
  readonly table: "mangle" | "nat" | "filter";
  readonly name: string;
  /** Where it is entered: a built-in chain, and what else must match. */
  readonly jumps: (family: Family) => readonly string[];
  /** Its rules for a state of one family, without "-A <name>". None: the chain is not there. */
  readonly rules: (state: LbState, family: Family) => readonly string[];
}

/** What a state has of one address family: iptables and ip6tables know nothing of each other. */
export function inFamily(state: LbState, family: Family): LbState {
  const isOurs = (address: string): boolean => familyOf(address) === family;
  return {
    addresses: state.addresses.filter(({ address }) => isOurs(address)),
    servers: state.servers.filter(({ vip }) => isOurs(vip)),
    snats: state.snats.filter(({ subnet }) => isOurs(subnet)),
    redirects: state.redirects.filter(({ address }) => isOurs(address)),
    published: state.published.filter(({ to }) => isOurs(to)),
    sysctls: state.sysctls,
  };
}

export const jump = (...jumps: string[]) => ({ jumps: () => jumps });

/** Connection mark of those that come from the host's bridge and are led back to it; the other bits are others'. */
export const HAIRPIN = "0xe1100000/0xfff00000";

/** An address as iptables and ip write a range of one. */
export const host = (address: string): string => `${address}/${familyOf(address) === 6 ? 128 : 32}`;

export const hex = (mark: number): string => `0x${mark.toString(16)}`;

export const port = (protocol: string, side: "dport" | "sport", number: number | string): string =>
  `-p ${protocol} -m ${protocol} --${side} ${number}`;

/** "--dport 80", "--dport 8000:8010". */
export const dport = (range: PortRange): string => port(range.protocol, "dport", numbersText(range, ":"));

/** A key may hold anything; a comment should hold no quotation marks, which iptables-save would write otherwise. */
export const keyText = (key: string): string => encodeURI(key).replaceAll("'", "%27");

/** What reading back needs of a server: "<key> <from> <forwarding> <vip> [keep-source | only]". */
const note = (s: VirtualServer): string => {
  const kind = [...(s.keepSource ? ["keep-source"] : []), ...(s.only ? ["only"] : [])];
  return comment([keyText(s.key), s.from, s.forwarding, s.vip, ...kind].join(" "));
};

/** With declared ports only, all else has a mark that IPVS does not know. What it took before goes on: it knows connections without. */
export const markVip = (s: VirtualServer): readonly string[] => {
  const mark = (n: number): string => `${note(s)} -j MARK --set-xmark ${hex(n)}/0xffffffff`;
  const vip = `-d ${host(s.vip)}`;
  if (s.only === undefined) return [`${vip} ${mark(s.mark)}`];
  return [`${vip} ${mark(UNSERVED + s.mark)}`, ...s.only.map((range) => `${vip} ${dport(range)} ${mark(s.mark)}`)];
};

export const markPorts = (s: VirtualServer, where: string): string[] =>
  s.ports.map((range) => `${where}${dport(range)} ${note(s)} -j MARK --set-xmark ${hex(s.mark)}/0xffffffff`);

export const comment = (text: string): string => `-m comment --comment "${text}"`;
