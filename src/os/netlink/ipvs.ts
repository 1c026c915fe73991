/**
 * The kernel's own balancer, IPVS, in the current network namespace: services known by firewall mark, and their
 * destinations. By netlink (net/netfilter/ipvs/ip_vs_ctl.c, linux/ip_vs.h); all of them at once: ipvs-lists.ts.
 */
import { addressBytes, addressText } from "../../model/address.ts";
import { OsError } from "../error.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import type { DumpLimits } from "./connection.ts";
import { type GenericMessage, Genetlink } from "./genetlink.ts";
import { parseAttributes } from "./read.ts";
import { MessageWriter } from "./write.ts";

/** A service by mark. `affinity` in seconds, 0: none. */
export interface IpvsService {
  readonly mark: number;
  readonly family: 4 | 6;
  readonly scheduler: string;
  readonly affinity: number;
}

export interface IpvsDestination {
  readonly address: string;
  readonly weight: number;
  readonly forwarding: "masquerade" | "direct" | "other";
  /** Always 0 in what we write: the port of the connection is kept. */
  readonly port: number;
}

/**
 * Since the service was made, as it was two seconds ago at most: then the kernel has added it up. Octets have the headers from IP on. With
 * direct routing, replies do not come by here.
 */
export interface IpvsCounted {
  readonly mark: number;
  readonly connections: number;
  /** Both ways together. */
  readonly packets: number;
  readonly bytes: number;
}

export type ServiceId = Pick<IpvsService, "mark" | "family">;

/** Commands, for `ipvsDo`. */
export type IpvsCommand =
  | { readonly command: "service.new" | "service.set"; readonly service: IpvsService }
  | { readonly command: "service.delete"; readonly service: ServiceId }
  | {
      readonly command: "destination.new" | "destination.set" | "destination.delete";
      readonly service: ServiceId;
      readonly destination: IpvsDestination;
    };

/** enum in linux/ip_vs.h */
const COMMAND: Record<IpvsCommand["command"], number> = {
  "service.new": 1,
  "service.set": 2,
  "service.delete": 3,
  "destination.new": 5,
  "destination.set": 6,
  "destination.delete": 7,
};
const GET_SERVICE = 4;
const GET_DESTINATION = 8;
const SET_CONFIG = 12;
const GET_CONFIG = 13;
/** Attributes of a configuration. */
const TIMEOUT = { tcp: 4, udp: 6 } as const;

const CMD_SERVICE = 1;
const CMD_DESTINATION = 2;
const SERVICE = { family: 1, mark: 5, scheduler: 6, flags: 7, timeout: 8, netmask: 9, counted: 12 } as const;
const DESTINATION = { address: 1, port: 2, forwarding: 3, weight: 4, upper: 5, lower: 6, family: 11 } as const;
/** Of what a service has counted, in 64 bits each. */
const COUNTED = { connections: 1, packetsIn: 2, packetsOut: 3, bytesIn: 4, bytesOut: 5 } as const;
const PERSISTENT = 1;
const FORWARDING = { masquerade: 0, direct: 3 } as const;
const FORWARDING_MASK = 7;

/** Error numbers that say what is there: ip_vs_ctl.c answers them for what exists already, or does not (any more). */
export const EEXIST = 17;
export const ENOENT = 2;
export const ESRCH = 3;

/** Does commands in order, all of them; the error number of each, 0 if it was done. Throws an OsError without IPVS or rights. */
export const ipvsDo = (commands: readonly IpvsCommand[]): number[] =>
  withIpvs((netlink) => netlink.do(commands.map(packIpvs)));

/** All services by mark in this namespace. */
export const listServices = (netlink: Genetlink, limits?: DumpLimits): IpvsService[] =>
  listed(netlink, unpackService, limits);

/** What each of them has counted. A container may have any number of them: not beyond some ten thousand. */
export const ipvsCounted = (): IpvsCounted[] =>
  withIpvs((netlink) => listed(netlink, unpackCounted, { most: 8 << 20, longest: 500 }));

const listed = <T extends { readonly mark: number }>(
  netlink: Genetlink,
  unpack: (entry: Buffer) => T,
  limits?: DumpLimits,
): T[] =>
  netlink
    .dump({ command: GET_SERVICE, attributes: Buffer.alloc(0) }, limits)
    .map(unpack)
    .filter(({ mark }) => mark !== 0);

/** The destinations of one of them; none if it is gone. */
export function listDestinations(netlink: Genetlink, { mark, family }: ServiceId, limits?: DumpLimits) {
  const to = new MessageWriter();
  to.nested(CMD_SERVICE, () => packService(to, { mark, family }));
  return netlink
    .dump({ command: GET_DESTINATION, attributes: to.octets }, limits)
    .map((entry) => unpackDestination(entry, family));
}

/** Seconds that connections of this namespace may be silent: TCP ones that are established, UDP ones. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly udp: number;
}

export const ipvsTimeouts = (): IpvsTimeouts =>
  withIpvs((netlink) => {
    const found = parseAttributes(netlink.ask({ command: GET_CONFIG, attributes: Buffer.alloc(0) }));
    const seconds = (type: number) => found.u32(type) ?? 0;
    return { tcp: seconds(TIMEOUT.tcp), udp: seconds(TIMEOUT.udp) };
  });

/** Sets the time-outs that are given; the others stay. Throws an OsError if the kernel refuses. */
export function setIpvsTimeouts(timeouts: Partial<IpvsTimeouts>): void {
  const to = new MessageWriter();
  if (timeouts.tcp !== undefined) to.u32(TIMEOUT.tcp, timeouts.tcp);
  if (timeouts.udp !== undefined) to.u32(TIMEOUT.udp, timeouts.udp);
  const [errno = 0] = withIpvs((netlink) => netlink.do([{ command: SET_CONFIG, attributes: to.octets }]));
  if (errno !== 0) throw new OsError("ipvs timeouts", errno);
}

/** Throws an OsError without IPVS or rights. */
export function withIpvs<T>(work: (netlink: Genetlink) => T): T {
  const netlink = new Genetlink("IPVS");
  try {
    return work(netlink);
  } finally {
    netlink.close();
  }
}

export function packIpvs(command: IpvsCommand): GenericMessage {
  const to = new MessageWriter(256);
  to.nested(CMD_SERVICE, () => packService(to, command.service));
  if ("destination" in command) to.nested(CMD_DESTINATION, () => packDestination(to, command.destination));
  return { command: COMMAND[command.command], attributes: to.octets };
}

function packService(to: MessageWriter, service: ServiceId | IpvsService): void {
  const four = service.family === 4;
  to.u16(SERVICE.family, four ? AF_INET : AF_INET6).u32(SERVICE.mark, service.mark);
  if (!("scheduler" in service)) return;
  to.text(SERVICE.scheduler, service.scheduler)
    .raw(SERVICE.flags, [service.affinity > 0 ? PERSISTENT : 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]) // value and mask
    .u32(SERVICE.timeout, service.affinity)
    .u32(SERVICE.netmask, four ? 0xffff_ffff : 128); // a client is one address
}

/** The attributes of one entry of a list of services. */
export function unpackService(entry: Buffer): IpvsService {
  const service = parseAttributes(entry).nested(CMD_SERVICE);
  const persistent = ((service.raw(SERVICE.flags)?.[0] ?? 0) & PERSISTENT) !== 0;
  return {
    mark: service.u32(SERVICE.mark) ?? 0,
    family: service.u16(SERVICE.family) === AF_INET6 ? 6 : 4,
    scheduler: service.text(SERVICE.scheduler) ?? "",
    affinity: persistent ? (service.u32(SERVICE.timeout) ?? 0) : 0,
  };
}

/** Likewise. */
export function unpackCounted(entry: Buffer): IpvsCounted {
  const service = parseAttributes(entry).nested(CMD_SERVICE);
  const counted = service.nested(SERVICE.counted);
  const count = (type: number): number => counted.u64(type) ?? 0;
  return {
    mark: service.u32(SERVICE.mark) ?? 0,
    connections: count(COUNTED.connections),
    packets: count(COUNTED.packetsIn) + count(COUNTED.packetsOut),
    bytes: count(COUNTED.bytesIn) + count(COUNTED.bytesOut),
  };
}

function packDestination(to: MessageWriter, { address, port, weight, forwarding }: IpvsDestination): void {
  const octets = addressBytes(address) ?? "";
  to.raw(DESTINATION.address, octets.padEnd(16, "\0"))
    .be16(DESTINATION.port, port)
    .u16(DESTINATION.family, octets.length === 4 ? AF_INET : AF_INET6)
    .u32(DESTINATION.forwarding, forwarding === "direct" ? FORWARDING.direct : FORWARDING.masquerade)
    .u32(DESTINATION.weight, weight)
    .u32(DESTINATION.upper, 0)
    .u32(DESTINATION.lower, 0);
}

/** The attributes of one entry of a list of destinations. Old kernels do not say the family: it is the service's. */
export function unpackDestination(entry: Buffer, family: 4 | 6): IpvsDestination {
  const found = parseAttributes(entry).nested(CMD_DESTINATION);
  const four = (found.u16(DESTINATION.family) ?? (family === 4 ? AF_INET : AF_INET6)) === AF_INET;
  const octets = found.raw(DESTINATION.address)?.subarray(0, four ? 4 : 16);
  const way = (found.u32(DESTINATION.forwarding) ?? 0) & FORWARDING_MASK;
  return {
    address: octets === undefined ? "" : addressText(octets.toString("latin1")),
    port: found.be16(DESTINATION.port) ?? 0,
    weight: found.u32(DESTINATION.weight) ?? 0,
    forwarding: way === FORWARDING.masquerade ? "masquerade" : way === FORWARDING.direct ? "direct" : "other",
  };
}
