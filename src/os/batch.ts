/**
 * Datagrams in batches: recvmmsg(2) and sendmmsg(2) over one block of memory. A query is answered where it lies, and the
 * header that it was received with sends the answer: the sender's address in it is now the receiver's.
 *
 *   struct mmsghdr, 64 octets:  0 struct msghdr (msghdr.ts) | 56 len
 *
 * Control data is what IP_PKTINFO gives on wildcard sockets, the address that was asked; handed back as it came, it makes
 * the answer come from there (ip(7), ipv6(7)).
 */
import { addressOf, libc } from "./libc.ts";
import { IOV, messageTo } from "./msghdr.ts";
import { addressOfSockaddr, SOCKADDR } from "./sockaddr.ts";

const HDR = 64;
const HDR_WORDS = HDR / 4;
const CONTROL = 64;
const MSG_DONTWAIT = 0x40;

/** Who sent a datagram, and to which of our addresses: enough to answer later. */
export interface Peer {
  readonly name: Buffer;
  readonly control: Buffer;
}

export class Batch {
  /** Datagrams per call. */
  readonly size: number;
  /** The datagrams' memory, one after the other. Longer datagrams are cut off by the kernel. */
  readonly slots: readonly Buffer[];
  /** errno of the last `receive` that got nothing: EAGAIN, or an ICMP error of a connected socket. */
  failure = 0;
  readonly #room: number;
  readonly #memory: Buffer;
  readonly #names: Buffer;
  readonly #controls: Buffer;
  readonly #headers: Buffer;
  readonly #iovecs: Buffer;
  readonly #header: Uint32Array; // the headers as 32-bit words
  readonly #iovec: Uint32Array; // likewise
  readonly #recvmmsg = libc().recvmmsg;
  readonly #sendmmsg = libc().sendmmsg;
  #fd = -1;
  /** Headers that have been written to since they were prepared. */
  #used: number;
  /** Answers that wait to be sent: the slots from here to there. */
  #from = 0;
  #until = 0;

  constructor(size = 64, room = 4096) {
    this.size = size;
    this.#room = room;
    this.#used = size;
    this.#memory = Buffer.alloc(size * room);
    this.slots = Array.from({ length: size }, (_, i) => this.#memory.subarray(i * room, (i + 1) * room));
    this.#names = Buffer.alloc(size * SOCKADDR);
    this.#controls = Buffer.alloc(size * CONTROL);
    this.#iovecs = Buffer.alloc(size * IOV);
    this.#headers = Buffer.alloc(size * HDR);
    this.#header = words(this.#headers);
    this.#iovec = words(this.#iovecs);
    const [memory, names] = [addressOf(this.#memory), addressOf(this.#names)];
    const [controls, iovecs] = [addressOf(this.#controls), addressOf(this.#iovecs)];
    for (let i = 0; i < size; i++) {
      this.#iovecs.writeBigUInt64LE(memory + BigInt(i * room), i * IOV);
      this.#headers.writeBigUInt64LE(names + BigInt(i * SOCKADDR), i * HDR);
      this.#headers.writeBigUInt64LE(iovecs + BigInt(i * IOV), i * HDR + 16);
      this.#headers.writeBigUInt64LE(1n, i * HDR + 24);
      this.#headers.writeBigUInt64LE(controls + BigInt(i * CONTROL), i * HDR + 32);
    }
  }

  /** Takes what waits in the socket, at most `most` datagrams, without blocking; how many came. */
  receive(fd: number, most = this.size): number {
    const header = this.#header;
    for (let i = 0; i < this.#used; i++) {
      header[i * HDR_WORDS + 2] = SOCKADDR;
      header[i * HDR_WORDS + 10] = CONTROL;
      this.#iovec[i * 4 + 2] = this.#room;
    }
    this.#fd = fd;
    const n = this.#recvmmsg(fd, this.#headers, most, MSG_DONTWAIT, null);
    this.#used = Math.max(0, n);
    if (n < 0) this.failure = libc().koffi.errno();
    return this.#used;
  }

  /** Length of the i-th datagram received. */
  length(i: number): number {
    return this.#header[i * HDR_WORDS + 14]!;
  }

  /** Who sent the i-th datagram: address text. */
  from(i: number): string {
    return addressOfSockaddr(this.#names, i * SOCKADDR);
  }

  /** The i-th datagram's sender, for an answer that comes later. */
  peer(i: number): Peer {
    const name = this.#header[i * HDR_WORDS + 2]!;
    const control = this.#header[i * HDR_WORDS + 10]!;
    return {
      name: Buffer.from(this.#names.subarray(i * SOCKADDR, i * SOCKADDR + name)),
      control: Buffer.from(this.#controls.subarray(i * CONTROL, i * CONTROL + control)),
    };
  }

  /** Queues the first `length` octets of slot i to go back to where the i-th datagram came from. In rising order of i. */
  answer(i: number, length: number): void {
    if (i !== this.#until) {
      this.flush(); // a datagram between had no answer
      this.#from = i;
    }
    this.#until = i + 1;
    this.#iovec[i * 4 + 2] = length;
  }

  /** Sends what is queued. Answers that the kernel refuses (a full buffer, a peer out of reach) are dropped, as UDP is. */
  flush(): void {
    while (this.#from < this.#until) {
      const headers = this.#from === 0 ? this.#headers : this.#headers.subarray(this.#from * HDR);
      const n = this.#sendmmsg(this.#fd, headers, this.#until - this.#from, MSG_DONTWAIT);
      this.#from += n > 0 ? n : 1;
    }
    this.#from = 0;
    this.#until = 0;
  }
}

/** Sends one datagram to `peer`; dropped if the kernel refuses it. */
export function sendTo(fd: number, { name, control }: Peer, packet: Uint8Array): void {
  libc().sendmsg(fd, messageTo(name, packet, control), MSG_DONTWAIT);
}

const words = (b: Buffer): Uint32Array => new Uint32Array(b.buffer, b.byteOffset, b.length >> 2);
