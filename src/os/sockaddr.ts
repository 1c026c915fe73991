/** struct sockaddr_in and sockaddr_in6 (netinet/in.h), to and from text. */
import { addressBytes, addressText, familyOf } from "../model/address.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
/** Room for either. */
export const SOCKADDR = 28;

/** AF_INET or AF_INET6. */
export const socketFamily = (address: string): number => (familyOf(address) === 6 ? AF_INET6 : AF_INET);

/**
 *   in:   family 2 (host order) | port 2 (network order) | address 4 | zero 8
 *   in6:  family 2 | port 2 | flow 4 | address 16 | scope 4
 */
export function sockaddr(address: string, port: number): Buffer {
  const bytes = addressBytes(address);
  if (bytes === undefined) throw new Error(`"${address}" is no IP address`);
  const six = bytes.length === 16;
  const out = Buffer.alloc(six ? 28 : 16);
  out.writeUInt16LE(socketFamily(address), 0);
  out.writeUInt16BE(port, 2);
  out.write(bytes, six ? 8 : 4, "latin1");
  return out;
}

/** The address in a sockaddr, canonical text. An IPv4 address mapped into IPv6 comes out as IPv4. */
export function addressOfSockaddr(raw: Buffer, at = 0): string {
  if (raw.readUInt16LE(at) === AF_INET) return addressText(raw.latin1Slice(at + 4, at + 8));
  const bytes = raw.latin1Slice(at + 8, at + 24);
  return addressText(bytes.startsWith(MAPPED) ? bytes.slice(12) : bytes);
}

export const portOfSockaddr = (raw: Buffer, at = 0): number => raw.readUInt16BE(at + 2);

const MAPPED = `${"\0".repeat(10)}\xff\xff`;

declare global {
  /** Node has it on every Buffer, its types do not. */
  interface Buffer {
    latin1Slice(start: number, end: number): string;
  }
}
