/**
 * Addresses of interfaces, and addresses that are local without being on one, in the network namespace of the calling thread.
 * rtnetlink(7), linux/if_addr.h, linux/rtnetlink.h.
 *
 *   ifinfomsg   family 1, 0 1, type 2, interface 4, flags 4, which of them to change 4
 *   ifaddrmsg   family 1, prefix 1, flags 1, scope 1, interface 4
 *   rtmsg       family 1, length of destination 1, of source 1, tos 1, table 1, protocol 1, scope 1, type 1, flags 4
 *
 * A container gives its interfaces any name of 15 octets without white space, "/" and ":". Those that are UTF-8 come out as text, the
 * others with their addresses not at all: they can't be meant by anything that has been asked of us.
 */
import { familyOf } from "../../model/address.ts";
import { OsError } from "../error.ts";
import { deviceName } from "../link.ts";
import { AF_INET, AF_INET6, socketFamily } from "../sockaddr.ts";
import { NETLINK_GET_STRICT_CHK, NETLINK_ROUTE, Netlink, refused } from "./connection.ts";
import { type Attributes, parseAttributes } from "./read.ts";
import { MessageWriter } from "./write.ts";

/** One address of one interface. */
export interface InterfaceAddress {
  readonly address: string;
  readonly prefix: number;
  readonly device: string;
  /** Who put it there, as a number of his own choice (since Linux 5.18); missing: he says nothing. */
  readonly protocol?: number;
}

/** An address that is local wherever it is not on an interface; what is sent to it comes from `source`. */
export interface LocalRoute {
  readonly to: string;
  readonly source: string;
}

const GET_LINK = 18;
const [NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS] = [20, 21, 22] as const;
const [NEW_ROUTE, DELETE_ROUTE, GET_ROUTE] = [24, 25, 26] as const;
const NLM_F_REPLACE = 0x100;
const NLM_F_CREATE = 0x400;

const [IFINFOMSG, IFADDRMSG, RTMSG] = [16, 8, 12] as const;
const IFLA = { name: 3, mask: 29 };
const WITHOUT_STATISTICS = 8;
/** Octets of a name, without its NUL. */
const LONGEST_NAME = 15;
const IFA = { address: 1, local: 2, lifetimes: 6, flags: 8, protocol: 11 };
const IFA_F_NODAD = 2;
const FOREVER = 0xffff_ffff;
const RTA = { to: 1, interface: 4, source: 7 };
/** Of a namespace's first interface, always. */
const LOOPBACK = 1;
const TABLE_LOCAL = 255;
const PROTOCOL = { kernel: 2, boot: 3 };
const SCOPE = { global: 0, host: 254, nowhere: 255 };
const TYPE_LOCAL = 2;
const CLONED = 0x200;

const ESRCH = 3;
export const [ENODEV, EADDRNOTAVAIL] = [19, 99] as const;

/** All of them. Throws an OsError. */
export const interfaceAddresses = (): readonly InterfaceAddress[] =>
  withRoutes((netlink) => {
    const names = new Map<number, string | undefined>();
    const nameOf = (index: number): string | undefined => {
      if (!names.has(index)) names.set(index, deviceName(netlink.fd, index));
      return names.get(index);
    };
    const message = new MessageWriter().message(GET_ADDRESS, 0, new Uint8Array(IFADDRMSG));
    return netlink.dump("addresses", message, (entry) => parseAddress(entry, nameOf));
  });

/** As `ip address replace` does it. IPv6 without looking for others who have it; deprecated: never the source of a connection. */
export function addAddress(a: InterfaceAddress, { deprecated = false }: { readonly deprecated?: boolean } = {}): void {
  const op = "address add";
  withRoutes((netlink) => {
    const refusal = changeAddress(netlink, op, a, true, deprecated);
    if (refusal !== undefined) throw refused(op, refusal, nameOfAddress(a));
  });
}

/** False: it was not there, or its interface was not. */
export function removeAddress(a: InterfaceAddress): boolean {
  const op = "address remove";
  return withRoutes((netlink) => {
    const refusal = changeAddress(netlink, op, a, false);
    if (refusal?.errno === EADDRNOTAVAIL || refusal?.errno === ENODEV) return false;
    if (refusal !== undefined) throw refused(op, refusal, nameOfAddress(a));
    return true;
  });
}

/** Single addresses with a source, in the table of local ones, that the kernel did not put there by itself. */
export const localRoutes = (): readonly LocalRoute[] =>
  withRoutes((netlink) => {
    netlink.option(NETLINK_GET_STRICT_CHK); // of this table only, where the kernel can
    return [AF_INET, AF_INET6].flatMap((family) => {
      const message = new MessageWriter().message(GET_ROUTE, 0, [family, 0, 0, 0, TABLE_LOCAL, 0, 0, 0, 0, 0, 0, 0]);
      return netlink.dump("routes", message, (entry) => parseRoute(entry, family));
    });
  });

/** As `ip route replace local TO dev lo src SOURCE` does it. */
export function addLocalRoute({ to: address, source }: LocalRoute): void {
  const op = "route add";
  withRoutes((netlink) => {
    const to = new MessageWriter();
    to.message(NEW_ROUTE, NLM_F_CREATE | NLM_F_REPLACE, rtmsg(address, SCOPE.host), () =>
      to.address(RTA.to, address).u32(RTA.interface, LOOPBACK).address(RTA.source, source),
    );
    const [refusal] = netlink.execute(op, to);
    if (refusal !== undefined) throw refused(op, refusal, `${address} from ${source}`);
  });
}

/** False: there was none. */
export function removeLocalRoute(address: string): boolean {
  const op = "route remove";
  return withRoutes((netlink) => {
    const to = new MessageWriter();
    to.message(DELETE_ROUTE, 0, rtmsg(address, SCOPE.nowhere), () =>
      to.address(RTA.to, address).u32(RTA.interface, LOOPBACK),
    );
    const [refusal] = netlink.execute(op, to);
    if (refusal?.errno === ESRCH) return false;
    if (refusal !== undefined) throw refused(op, refusal, address);
    return true;
  });
}

export function withRoutes<T>(work: (netlink: Netlink) => T): T {
  const netlink = new Netlink(NETLINK_ROUTE);
  try {
    return work(netlink);
  } finally {
    netlink.close();
  }
}

function changeAddress(netlink: Netlink, op: string, a: InterfaceAddress, add: boolean, deprecated = false) {
  const index = deviceIndex(netlink, a.device);
  if (index === undefined) return { errno: ENODEV, why: "" };
  const to = new MessageWriter();
  writeAddress(to, a, index, add, deprecated);
  return netlink.execute(op, to)[0];
}

/** The message that puts it on the interface of this number, or takes it away. */
export function writeAddress(
  to: MessageWriter,
  { address, prefix, protocol }: InterfaceAddress,
  index: number,
  add: boolean,
  deprecated = false,
): void {
  const scope = address.startsWith("127.") ? SCOPE.host : SCOPE.global;
  const own = Buffer.from([socketFamily(address), prefix, 0, scope, 0, 0, 0, 0]);
  own.writeUInt32LE(index, 4);
  to.message(add ? NEW_ADDRESS : DELETE_ADDRESS, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, own, () => {
    to.address(IFA.local, address).address(IFA.address, address);
    if (!add) return;
    to.u32(IFA.flags, familyOf(address) === 6 ? IFA_F_NODAD : 0);
    if (protocol !== undefined) to.u8(IFA.protocol, protocol);
    if (deprecated) to.raw(IFA.lifetimes, lifetimes(0, FOREVER));
  });
}

/** The interface's number; undefined if there is none. */
export function deviceIndex(netlink: Netlink, name: string): number | undefined {
  const asking = askingForDevice(name);
  if (asking === undefined) return undefined;
  try {
    return indexIn(netlink.ask("interface", asking, name));
  } catch (error) {
    if (error instanceof OsError && error.code === "ENODEV") return undefined;
    throw error;
  }
}

/** What asks for an interface; undefined: none can have that name. Not by ioctl(2): that would load a kernel module for a name that is not there. */
export function askingForDevice(name: string): MessageWriter | undefined {
  if (name === "" || name.includes("\0") || Buffer.byteLength(name) > LONGEST_NAME) return undefined;
  const to = new MessageWriter();
  return to.message(GET_LINK, 0, new Uint8Array(IFINFOMSG), () =>
    to.text(IFLA.name, name).u32(IFLA.mask, WITHOUT_STATISTICS),
  );
}

/** The interface's number in what the kernel answers. */
export const indexIn = (link: Buffer): number | undefined =>
  link.length < IFINFOMSG ? undefined : link.readUInt32LE(4);

/** From ifaddrmsg on; undefined if there is no name for the interface. */
export function parseAddress(
  entry: Buffer,
  nameOf: (index: number) => string | undefined,
): InterfaceAddress | undefined {
  if (entry.length < IFADDRMSG) return undefined;
  const attributes = parseAttributes(entry.subarray(IFADDRMSG));
  const address = attributes.address(IFA.local) ?? attributes.address(IFA.address); // the other one is the peer's
  const device = nameOf(entry.readUInt32LE(4));
  if (address === undefined || device === undefined) return undefined;
  const protocol = attributes.u8(IFA.protocol);
  return { address, prefix: entry[1]!, device, ...(protocol !== undefined && { protocol }) };
}

/** From rtmsg on; undefined if it is no route as localRoutes() promises. */
export function parseRoute(entry: Buffer, family: number): LocalRoute | undefined {
  if (entry.length < RTMSG) return undefined;
  const [its, length, , , table, protocol, , type] = entry;
  const attributes: Attributes = parseAttributes(entry.subarray(RTMSG));
  const [to, source] = [attributes.address(RTA.to), attributes.address(RTA.source)];
  const ours = its === family && table === TABLE_LOCAL && type === TYPE_LOCAL && protocol !== PROTOCOL.kernel;
  if (!ours || entry.readUInt32LE(8) & CLONED || attributes.u32(RTA.interface) !== LOOPBACK) return undefined;
  if (length !== whole(family) || to === undefined || source === undefined) return undefined;
  return { to, source };
}

const rtmsg = (address: string, scope: number): readonly number[] => {
  const family = socketFamily(address);
  return [family, whole(family), 0, 0, TABLE_LOCAL, PROTOCOL.boot, scope, TYPE_LOCAL, 0, 0, 0, 0];
};

/** ifa_cacheinfo: preferred 4, valid 4 (seconds), two times that the kernel fills in. */
function lifetimes(preferred: number, valid: number): Buffer {
  const out = Buffer.alloc(16);
  out.writeUInt32LE(preferred, 0);
  out.writeUInt32LE(valid, 4);
  return out;
}

const whole = (family: number): number => (family === AF_INET6 ? 128 : 32);
export const nameOfAddress = ({ address, prefix, device }: InterfaceAddress): string =>
  `${address}/${prefix} on ${device}`;
