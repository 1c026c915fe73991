/**
 * What is known of the first packet of a connection to a published port, when the host forwards it: what nf_tables' expressions load of it,
 * octet by octet. Pure. linux/netfilter/nf_tables.h.
 */
import { addressBytes, familyOf } from "../../../model/address.ts";
import type { Protocol } from "../../../model/types.ts";
import type { Step } from "../../../os/nftables/forward.ts";
import type { PublishedPort } from "../../state.ts";

/** The octets; or what they can't be, and nothing more is known. */
export type Known = Buffer | { readonly never: Buffer };

/** Undefined: nothing is known of it. */
export function loaded({ name, attributes }: Step, port: PublishedPort): Known | undefined {
  const key = attributes.be32(KEY);
  if (name === "meta") return META[key ?? -1]?.(port);
  if (name === "ct") return CT[key ?? -1];
  if (name !== "payload") return undefined;
  const [offset = 0, length = 0] = [attributes.be32(OFFSET), attributes.be32(LENGTH)];
  const header = HEADERS[key ?? -1]?.(port) ?? [];
  const field = header.find(([at, octets]) => offset >= at && offset + length <= at + octets.length);
  return field?.[1].subarray(offset - field[0], offset - field[0] + length);
}

/** What it loads is another for another port of the same address and protocol. */
export const asksForPort = ({ name, attributes }: Step): boolean =>
  name === "payload" && attributes.be32(KEY) === TRANSPORT;

/** Of meta, ct and payload: what is loaded; for payload, from which header. */
const KEY = 2;
const [OFFSET, LENGTH] = [3, 4] as const;

const PROTOCOLS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
const protocolOf = ({ protocol }: PublishedPort): Buffer => Buffer.from([PROTOCOLS[protocol]]);

/** Numbers that are in the machine's order. */
function native(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

/** As long as the kernel has names of interfaces. */
const device = (name: string): Buffer => Buffer.from(name.padEnd(16, "\0"), "latin1");

const LOOPBACK = 1;
const META: Readonly<Record<number, (port: PublishedPort) => Known>> = {
  4: () => ({ never: native(LOOPBACK) }), // iif
  6: () => ({ never: device("lo") }), // iifname
  7: ({ bridge }) => device(bridge), // oifname
  15: ({ to }) => Buffer.from([familyOf(to) === 6 ? 10 : 2]), // nfproto
  16: protocolOf, // l4proto
};

const STATE_NEW = 8;
const STATUS_DNAT = 0x20 | 0x100;
const CT: Readonly<Record<number, Known>> = {
  0: native(STATE_NEW),
  1: Buffer.from([0]), // direction: the original one
  2: native(STATUS_DNAT),
};

type Field = readonly [offset: number, octets: Buffer];
const NETWORK = 1;
const TRANSPORT = 2;
const HEADERS: Readonly<Record<number, (port: PublishedPort) => readonly Field[]>> = {
  [NETWORK]: (port) => {
    const six = familyOf(port.to) === 6;
    const to = Buffer.from(addressBytes(port.to) ?? "", "latin1");
    return [
      [six ? 6 : 9, protocolOf(port)],
      [six ? 24 : 16, to],
    ];
  },
  [TRANSPORT]: ({ toPort }) => [[2, Buffer.from([toPort >> 8, toPort & 255])]],
};
