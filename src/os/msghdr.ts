/**
 * struct msghdr, as sendmsg(2) takes it, around one datagram.
 *
 *   msghdr, 56 octets:  0 name* | 8 namelen | 16 iov* | 24 iovlen | 32 control* | 40 controllen | 48 flags
 *   iovec, 16 octets:   0 base* | 8 length
 */
import { addressOf } from "./libc.ts";

export const IOV = 16;
const MSGHDR = 56;

/** For one call, right away: it is the same memory each time. The three Buffers must live until then; no control data: empty. */
export function messageTo(name: Uint8Array, packet: Uint8Array, control: Uint8Array): Buffer {
  vector.writeBigUInt64LE(addressOf(packet), 0);
  vector.writeBigUInt64LE(BigInt(packet.length), 8);
  header.writeBigUInt64LE(addressOf(name), 0);
  header.writeUInt32LE(name.length, 8);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(control.length === 0 ? 0n : addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return header;
}

const header = Buffer.alloc(MSGHDR);
const vector = Buffer.alloc(IOV);
