/** Sockets opened by hand, so that they can be opened in a namespace and read in batches. All non-blocking, close-on-exec. */

import { placeText } from "../model/address.ts";
import { checked, libc } from "./libc.ts";
import { inNetns } from "./netns.ts";
import { AF_INET, AF_INET6, addressOfSockaddr, portOfSockaddr, SOCKADDR, sockaddr, socketFamily } from "./sockaddr.ts";

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO = { reuseAddress: 2, type: 3, receiveBuffer: 8, receiveBufferForce: 33, netnsCookie: 71 } as const;
const IPPROTO = { ip: 0, tcp: 6, ip6: 41, sctp: 132 } as const;
/** Options of IPPROTO.ip, .tcp and .ip6. */
const [IP_PKTINFO, TCP_NODELAY, IPV6_V6ONLY, IPV6_RECVPKTINFO] = [8, 1, 26, 49] as const;
const MSG_NOSIGNAL = 0x4000;
const EINPROGRESS = 115;
const [F_GETFL, F_SETFL] = [3, 4] as const;

/** A socket that is ours to close. */
export interface OpenSocket {
  readonly fd: number;
  readonly port: number;
}

/** A bound UDP socket; on a wildcard address it tells which address was asked. Throws an OsError (EADDRINUSE, EACCES, …). */
export function bindUdp(address: string, port: number): OpenSocket {
  return owned(SOCK_DGRAM, address, (fd) => {
    receiveBuffer(fd);
    if (address === "0.0.0.0") option(fd, IPPROTO.ip, IP_PKTINFO, 1);
    if (address === "::") option(fd, IPPROTO.ip6, IPV6_RECVPKTINFO, 1);
    return bindTo(fd, address, port);
  });
}

/** A listening TCP socket. */
export function listenTcp(address: string, port: number): OpenSocket {
  return owned(SOCK_STREAM, address, (fd) => {
    option(fd, SOL_SOCKET, SO.reuseAddress, 1);
    const at = bindTo(fd, address, port);
    checked(libc().listen(fd, 511), "listen", placeText(address, port));
    return at;
  });
}

/** Takes a port without using it: bound, neither listening nor read. Throws an OsError (EADDRINUSE: it is somebody's). */
export function reservePort(protocol: "tcp" | "udp" | "sctp", address: string, port: number): number {
  const type = protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM;
  return owned(type, address, (fd) => bindTo(fd, address, port), protocol === "sctp" ? IPPROTO.sctp : 0).fd;
}

/** A UDP socket connected to its server, on a port the kernel picks. */
export function connectUdp(address: string, port: number): number {
  return owned(SOCK_DGRAM, address, (fd) => {
    const to = sockaddr(address, port);
    checked(libc().connect(fd, to, to.length), "connect", placeText(address, port));
    return { port: 0 };
  }).fd;
}

/** A TCP socket on its way to its server: writable once connected. */
export function connectTcp(address: string, port: number): number {
  return owned(SOCK_STREAM, address, (fd) => {
    const to = sockaddr(address, port);
    const result = libc().connect(fd, to, to.length);
    if (result < 0 && libc().koffi.errno() !== EINPROGRESS) checked(result, "connect", placeText(address, port));
    return { port: 0 };
  }).fd;
}

/** Makes a listening socket one for `accept`, wherever it comes from: asking it never blocks, and its connections send at once. */
export function prepareAccept(listening: number): void {
  option(listening, IPPROTO.tcp, TCP_NODELAY, 1); // connections inherit it
  const { fcntl } = libc();
  checked(fcntl(listening, F_SETFL, fcntl(listening, F_GETFL, 0) | SOCK_NONBLOCK), "fcntl");
}

/** Takes a connection that waits, non-blocking: its descriptor, ours to close, or the negative errno. */
export function accept(listening: number): number {
  peerLength.writeUInt32LE(SOCKADDR);
  const fd = libc().accept4(listening, peer, peerLength, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? -libc().koffi.errno() : fd;
}

/** Address of the peer whose connection was accepted last on this thread. */
export const acceptedFrom = (): string => addressOfSockaddr(peer);

const peer = Buffer.alloc(SOCKADDR);
const peerLength = Buffer.alloc(4);

/** Sends on a connected socket without blocking; octets sent, or the negative errno. */
export function send(fd: number, packet: Uint8Array): number {
  const n = libc().send(fd, packet, packet.length, MSG_NOSIGNAL);
  return n < 0 ? -libc().koffi.errno() : n;
}

/** Reads what is there; octets read, 0 at the end, or the negative errno. */
export function read(fd: number, into: Uint8Array): number {
  const n = libc().read(fd, into, into.length);
  return n < 0 ? -libc().koffi.errno() : n;
}

/** True for a datagram socket, false for a stream. */
export function isDatagram(fd: number): boolean {
  const [type, length] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32LE(4);
  checked(libc().getsockopt(fd, SOL_SOCKET, SO.type, type, length), "getsockopt", "SO_TYPE");
  return type.readInt32LE() === SOCK_DGRAM;
}

/** Which network namespace a socket is in: a number that no other one has until the next boot. Undefined before Linux 5.14. */
export function netnsCookie(fd: number): bigint | undefined {
  const [cookie, length] = [Buffer.alloc(8), Buffer.alloc(4)];
  length.writeUInt32LE(cookie.length);
  if (libc().getsockopt(fd, SOL_SOCKET, SO.netnsCookie, cookie, length) < 0) return undefined;
  return cookie.readBigUInt64LE();
}

/** The same of the namespace that this thread is in. */
export const netnsCookieHere = (): bigint | undefined => withSocket(AF_INET, netnsCookie);

/** Calls `work` with a datagram socket of this family, to ask the kernel of this thread's namespace by it. Throws an OsError. */
export function withSocket<T>(family: number, work: (fd: number) => T): T {
  const fd = checked(libc().socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  try {
    return work(fd);
  } finally {
    closeFd(fd);
  }
}

/** The local port. */
export function portOf(fd: number): number {
  const raw = Buffer.alloc(SOCKADDR);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(raw.length);
  checked(libc().getsockname(fd, raw, length), "getsockname");
  return portOfSockaddr(raw);
}

export function closeFd(fd: number): void {
  libc().close(fd);
}

/** Bursts wait here while we are busy, and everything while we restart. Unprivileged, net.core.rmem_max caps it. */
const RECEIVE_BUFFER = 4 << 20;

function receiveBuffer(fd: number): void {
  const raw = Buffer.alloc(4);
  raw.writeInt32LE(RECEIVE_BUFFER);
  const { setsockopt } = libc();
  if (setsockopt(fd, SOL_SOCKET, SO.receiveBufferForce, raw, 4) < 0)
    setsockopt(fd, SOL_SOCKET, SO.receiveBuffer, raw, 4);
}

/** Opens a socket and hands it to `prepare`; closes it again if that throws. */
function owned(type: number, address: string, prepare: (fd: number) => { port: number }, protocol = 0): OpenSocket {
  const family = socketFamily(address);
  const fd = checked(libc().socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), "socket");
  try {
    if (family === AF_INET6) option(fd, IPPROTO.ip6, IPV6_V6ONLY, 1);
    return { fd, ...prepare(fd) };
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

function bindTo(fd: number, address: string, port: number): { port: number } {
  const raw = sockaddr(address, port);
  checked(libc().bind(fd, raw, raw.length), "bind", placeText(address, port));
  return { port: portOf(fd) };
}

function option(fd: number, level: number, which: number, value: number): void {
  const raw = Buffer.alloc(4);
  raw.writeInt32LE(value);
  checked(libc().setsockopt(fd, level, which, raw, 4), "setsockopt", `${level}/${which}`);
}

/** What the forwarder needs for upstreams in other namespaces. */
export const netnsSockets = {
  udp: (netns: string, family: 4 | 6): number => inNetns(netns, () => bindUdp(family === 6 ? "::" : "0.0.0.0", 0).fd),
  tcp: (netns: string, address: string, port: number): number => inNetns(netns, () => connectTcp(address, port)),
};
