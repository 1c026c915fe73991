/**
 * A socket that hears what changes in other namespaces. It is in this one, so it keeps none of them alive; each message says by a number
 * (nsid.ts) where it is from. netlink(7), NETLINK_LISTEN_ALL_NSID.
 *
 * The kernel tells everything of every namespace that has a number, whoever may want to know it. What is of no interest is dropped as
 * early as can be: by groups, and by a filter that runs where the message is sent.
 */
import { Batch } from "../batch.ts";
import { addressOf, checked, libc } from "../libc.ts";
import { closeSlowly } from "../slow-close.ts";
import { NO_NUMBER } from "./nsid.ts";
import { type Message, parseMessages } from "./read.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const SOCKADDR_NL = 12;
const SENDER_PORT = 4;
const SOL_NETLINK = 270;
const [ADD_MEMBERSHIP, LISTEN_ALL_NSID] = [1, 8] as const;
const SOL_SOCKET = 1;
const [SO_ATTACH_FILTER, SO_RCVBUFFORCE] = [26, 33] as const;
const ENOBUFS = 105;

/** Octets that may wait: about a thousand messages. */
const ROOM = 1 << 20;
/** Messages that are taken at a time: a namespace that sends more loses them, and is looked at. */
const MOST = 1_024;
/** cmsghdr: length 8, level 4, type 4; then the number. */
const CMSG = 16;

/** `number`: of the namespace that it is from; NO_NUMBER: this one. */
export type Hear = (number: number, message: Message) => void;

export class Multicast {
  readonly #fd: number;

  /** `only`: messages of other types are dropped. Throws an OsError where it can't be had: before Linux 4.2, or without CAP_NET_BROADCAST. */
  constructor(protocol: number, groups: readonly number[], only?: number) {
    this.#fd = checked(libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, protocol), "socket", "netlink");
    try {
      const anyPort = Buffer.alloc(SOCKADDR_NL);
      anyPort.writeUInt16LE(AF_NETLINK);
      // Binding would leave all groups again, so they come after it.
      checked(libc().bind(this.#fd, anyPort, SOCKADDR_NL), "bind", "netlink");
      this.#set(SOL_NETLINK, LISTEN_ALL_NSID, number(1));
      libc().setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, number(ROOM), 4); // with less, it overruns sooner
      if (only !== undefined) this.#filter(only);
      for (const group of groups) this.#set(SOL_NETLINK, ADD_MEMBERSHIP, number(group));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Takes what has come; false if something was lost. Never waits, and never takes long. */
  take(hear: Hear): boolean {
    shared ??= new Batch(32, LONGEST);
    const batch = shared;
    let whole = true;
    for (let taken = 0; taken < MOST; ) {
      const count = batch.receive(this.#fd);
      if (count === 0 && batch.failure !== ENOBUFS) return whole;
      if (count === 0) whole = false;
      for (let i = 0; i < count; i++) {
        const { name, control } = batch.peer(i);
        if (name.length < SOCKADDR_NL || name.readUInt32LE(SENDER_PORT) !== 0) continue; // not the kernel
        const from = numberIn(control);
        for (const message of parseMessages(batch.slots[i]!.subarray(0, batch.length(i)))) hear(from, message);
      }
      taken += Math.max(1, count);
    }
    return whole;
  }

  close(): void {
    closeSlowly(this.#fd, "home");
  }

  #set(level: number, option: number, value: Buffer): void {
    checked(libc().setsockopt(this.#fd, level, option, value, value.length), "setsockopt", "netlink");
  }

  /** Classic BPF: of messages that do not begin with one of `type`, nothing is kept. */
  #filter(type: number): void {
    const program = Buffer.concat([
      instruction(LOAD_HALF, 4), // nlmsghdr: length 4, type 2
      instruction(JUMP_EQUAL, ((type & 255) << 8) | (type >> 8), 0, 1), // it loads in network order
      instruction(RETURN, 0xffff_ffff),
      instruction(RETURN, 0),
    ]);
    const filter = Buffer.alloc(16);
    filter.writeUInt16LE(program.length / INSTRUCTION, 0);
    filter.writeBigUInt64LE(addressOf(program), 8);
    this.#set(SOL_SOCKET, SO_ATTACH_FILTER, filter);
  }
}

/** sock_filter: code 2, where to if true 1, if false 1, constant 4. */
function instruction(code: number, constant: number, ifTrue = 0, ifFalse = 0): Buffer {
  const out = Buffer.alloc(INSTRUCTION);
  out.writeUInt16LE(code, 0);
  out.set([ifTrue, ifFalse], 2);
  out.writeUInt32LE(constant, 4);
  return out;
}

const INSTRUCTION = 8;
const [LOAD_HALF, JUMP_EQUAL, RETURN] = [0x28, 0x15, 0x06] as const;

/** What the kernel says beside a message about where it is from. */
function numberIn(control: Buffer): number {
  if (control.length < CMSG + 4) return NO_NUMBER;
  const isNumber = control.readUInt32LE(8) === SOL_NETLINK && control.readUInt32LE(12) === LISTEN_ALL_NSID;
  return isNumber ? control.readInt32LE(CMSG) : NO_NUMBER;
}

function number(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeInt32LE(value);
  return out;
}

/** Messages that are of interest are shorter. */
const LONGEST = 2_048;
let shared: Batch | undefined;
