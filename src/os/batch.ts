/**
 * Datagrams in batches: recvmmsg(2) and sendmmsg(2) over one block of memory. A query is answered where it lies, so that
 * nothing is copied between receiving and sending.
 *
 *   struct mmsghdr, 64 octets:  0 name* | 8 namelen | 16 iov* | 24 iovlen | 32 control* | 40 controllen | 48 flags | 56 len
 *   struct iovec, 16 octets:    0 base* | 8 length
 */
import { addressOf, libc } from "./libc.ts";
import { addressOfSockaddr, SOCKADDR } from "./sockaddr.ts";

const HDR = 64;
const IOV = 16;
const MSG_DONTWAIT = 0x40;

export class Batch {
  /** Datagrams per call. */
  readonly size: number;
  /** Octets per datagram; what is longer is cut off by the kernel. */
  readonly room: number;
  /** The datagrams' memory, one after the other. */
  readonly slots: readonly Buffer[];
  readonly #names: Buffer;
  readonly #lengths: Uint32Array; // of received datagrams: the headers as 32-bit words
  readonly #receive: Buffer;
  readonly #send: Buffer;
  readonly #sendWords: Uint32Array;
  readonly #iovWords: Uint32Array;
  /** Low and high words of each slot's name and iovec address: a queued answer is four stores. */
  readonly #addresses: Uint32Array;
  readonly #keep: readonly Buffer[];
  readonly #recvmmsg = libc().recvmmsg;
  readonly #sendmmsg = libc().sendmmsg;
  #queued = 0;

  constructor(size = 64, room = 4096) {
    this.size = size;
    this.room = room;
    const memory = Buffer.alloc(size * room);
    this.slots = Array.from({ length: size }, (_, i) => memory.subarray(i * room, (i + 1) * room));
    this.#names = Buffer.alloc(size * SOCKADDR);
    const receiveIov = Buffer.alloc(size * IOV);
    const sendIov = Buffer.alloc(size * IOV);
    this.#receive = Buffer.alloc(size * HDR);
    this.#send = Buffer.alloc(size * HDR);
    this.#lengths = words(this.#receive);
    this.#sendWords = words(this.#send);
    this.#iovWords = words(sendIov);
    this.#addresses = new Uint32Array(size * 4);
    this.#keep = [memory, receiveIov, sendIov];
    const at = {
      memory: addressOf(memory),
      names: addressOf(this.#names),
      receive: addressOf(receiveIov),
      send: addressOf(sendIov),
    };
    for (let i = 0; i < size; i++) {
      const base = at.memory + BigInt(i * room);
      const name = at.names + BigInt(i * SOCKADDR);
      receiveIov.writeBigUInt64LE(base, i * IOV);
      receiveIov.writeBigUInt64LE(BigInt(room), i * IOV + 8);
      sendIov.writeBigUInt64LE(base, i * IOV);
      this.#receive.writeBigUInt64LE(name, i * HDR);
      this.#receive.writeBigUInt64LE(at.receive + BigInt(i * IOV), i * HDR + 16);
      this.#receive.writeBigUInt64LE(1n, i * HDR + 24);
      this.#send.writeBigUInt64LE(1n, i * HDR + 24);
      this.#addresses.set(pair(name), i * 4);
      this.#addresses.set(pair(at.send + BigInt(i * IOV)), i * 4 + 2);
    }
  }

  /** Takes what waits in the socket, at most `size` datagrams, without blocking; how many came. */
  receive(fd: number): number {
    const lengths = this.#lengths;
    for (let i = 0; i < this.size; i++) lengths[i * 16 + 2] = SOCKADDR; // the kernel shortened it last time
    const n = this.#recvmmsg(fd, this.#receive, this.size, MSG_DONTWAIT, null);
    return n < 0 ? 0 : n;
  }

  /** Length of the i-th datagram received. */
  length(i: number): number {
    return this.#lengths[i * 16 + 14]!;
  }

  /** Who sent the i-th datagram: address text. */
  from(i: number): string {
    return addressOfSockaddr(this.#names, i * SOCKADDR);
  }

  /** The i-th datagram's sender as a sockaddr of its own, for an answer that comes later. */
  peer(i: number): Buffer {
    return Buffer.from(this.#names.subarray(i * SOCKADDR, i * SOCKADDR + this.#lengths[i * 16 + 2]!));
  }

  /** Queues the first `length` octets of slot i to go back to where the i-th datagram came from. */
  answer(i: number, length: number): void {
    const hdr = this.#queued++ * 16;
    const { [i * 4]: nameLow, [i * 4 + 1]: nameHigh, [i * 4 + 2]: iovLow, [i * 4 + 3]: iovHigh } = this.#addresses;
    const out = this.#sendWords;
    out[hdr] = nameLow!;
    out[hdr + 1] = nameHigh!;
    out[hdr + 2] = this.#lengths[i * 16 + 2]!;
    out[hdr + 4] = iovLow!;
    out[hdr + 5] = iovHigh!;
    this.#iovWords[i * 4 + 2] = length;
  }

  /** Sends what is queued. Answers that the kernel refuses (a full buffer, a peer out of reach) are dropped, as UDP is. */
  flush(fd: number): void {
    let done = 0;
    while (done < this.#queued) {
      const n = this.#sendmmsg(
        fd,
        done === 0 ? this.#send : this.#send.subarray(done * HDR),
        this.#queued - done,
        MSG_DONTWAIT,
      );
      done += n > 0 ? n : 1;
    }
    this.#queued = 0;
  }

  /** Keeps the memory that the kernel was told of. */
  get memory(): readonly Buffer[] {
    return this.#keep;
  }
}

const words = (b: Buffer): Uint32Array => new Uint32Array(b.buffer, b.byteOffset, b.length >> 2);

const pair = (address: bigint): [number, number] => [Number(address & 0xffffffffn), Number(address >> 32n)];
