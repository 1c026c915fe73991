/**
 * Netlink: requests to the kernel and its answers, in one network namespace. netlink(7).
 *
 *   nlmsghdr    length 4, type 2, flags 2, sequence 4, port 4
 *   header      the family's own (genlmsghdr, nfgenmsg, ifaddrmsg, …)
 *   attributes  length 2 (with these four octets), type 2, value, padded to 4; a value may be attributes again
 *
 * Numbers are in the machine's byte order, which is little-endian wherever libc.ts loads. The kernel has answered by the time that
 * `send` returns, or answers a list as it is read, so nothing here ever waits.
 *
 * Whoever is root in the namespace may send to any netlink socket in it. Ours are connected to the kernel, which then refuses everyone
 * else; that it was the kernel, and about this request, is looked at in every answer all the same.
 */
import { OsError } from "../error.ts";
import { checked, libc } from "../libc.ts";
import { type Message, NLMSG_DONE, NLMSG_ERROR, parseMessages, parseRefusal, type Refusal } from "./read.ts";
import { type MessageWriter, putNumber } from "./write.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const SOL_NETLINK = 270;
const MSG_TRUNC = 0x20;
const SOCKADDR_NL = 12;

const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
/** Octets that can be sent at once without asking. */
const ORDINARY = 200_000;

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
/** In an answer: what is listed has changed meanwhile. */
const NLM_F_DUMP_INTR = 0x10;

const [ENOENT, EINTR, E2BIG, EAGAIN, EBADMSG, EMSGSIZE, ENOBUFS] = [2, 4, 7, 11, 74, 90, 105] as const;

/** Answers of so many requests fit into a socket's receive buffer (208 kB); the next ones are sent after they were read. */
const BATCH = 100;
/** How often a list is read that changes each time while it is read. */
const TRIES = 5;

const MOST = 16 << 20;
const LONGEST = 2_000;

export interface DumpLimits {
  /** Octets. Default 16 MiB. */
  readonly most?: number;
  /** Milliseconds, however often it is read. Default 2 000. */
  readonly longest?: number;
  /** Beyond these limits, return what was read until then instead of throwing. */
  readonly partly?: boolean;
}

export class Netlink {
  readonly fd: number;
  /** A list was left half read, and the rest of it would be taken for the next answer: to be closed. */
  spent = false;
  #sequence = 0;

  /** In the network namespace of this thread. Throws an OsError. */
  constructor(protocol: number) {
    this.fd = checked(libc().socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, protocol), "socket", "netlink");
    try {
      checked(libc().connect(this.fd, KERNEL, SOCKADDR_NL), "connect", "netlink");
    } catch (error) {
      this.close();
      throw error;
    }
    this.option(NETLINK_EXT_ACK);
    this.option(NETLINK_CAP_ACK);
  }

  /** Does all of it in order, whether something fails or not: for each message what the kernel has against it. */
  execute(op: string, messages: MessageWriter): (Refusal | undefined)[] {
    const count = messages.starts.length;
    const refusals = new Array<Refusal | undefined>(count).fill(undefined);
    for (let from = 0; from < count; from += BATCH) {
      const until = Math.min(from + BATCH, count);
      const first = this.#send(op, messages, NLM_F_ACK, from, until);
      for (let missing = until - from; missing > 0; )
        for (const message of this.#receive(op)) {
          const i = message.sequence - first;
          if (message.type !== NLMSG_ERROR || i < 0 || i >= until - from) continue;
          refusals[from + i] = parseRefusal(message);
          missing--;
        }
    }
    return refusals;
  }

  /**
   * Sends all of it at once, as a transaction of netfilter's, say: what the kernel has against it, by message. Nothing: it is done. Of
   * hundreds of refusals some are lost. Whoever else has a transaction at work in the namespace lets ours wait, so a thread of node's pool
   * sends it; nothing else may be done with the connection until then.
   */
  async transact(op: string, messages: MessageWriter): Promise<ReadonlyMap<number, Refusal>> {
    const count = messages.starts.length;
    this.#makeRoom(messages.octets.length);
    const first = this.#number(messages, 0);
    await this.#sendElsewhere(op, messages.octets);
    const refusals = new Map<number, Refusal>();
    for (let answers = this.#next(op, ENOBUFS); answers !== undefined; answers = this.#next(op, ENOBUFS))
      for (const answer of answers) {
        const i = answer.sequence - first;
        const refusal = answer.type === NLMSG_ERROR && i >= 0 && i < count ? parseRefusal(answer) : undefined;
        if (refusal !== undefined) refusals.set(i, refusal);
      }
    return refusals;
  }

  /** Asks for one thing; what follows the nlmsghdr. Throws an OsError with the kernel's reason if there is none. */
  ask(op: string, message: MessageWriter, detail?: string): Buffer {
    return this.#answer(op, this.#send(op, message, 0), detail);
  }

  /** The same; undefined if there is none (ENOENT), which is an answer like others. */
  find(op: string, message: MessageWriter, detail?: string): Buffer | undefined {
    const answer = this.#answered(op, this.#send(op, message, 0));
    if (!("errno" in answer)) return answer.payload;
    if (answer.errno === ENOENT) return undefined;
    throw refused(op, answer, detail);
  }

  /** As `ask`, by a thread of node's pool, where the kernel may let it wait; nothing else may be done with the connection until then. */
  async askElsewhere(op: string, message: MessageWriter, detail?: string): Promise<Buffer> {
    const sequence = this.#number(message, 0);
    await this.#sendElsewhere(op, message.octets);
    return this.#answer(op, sequence, detail);
  }

  #answer(op: string, sequence: number, detail?: string): Buffer {
    const answer = this.#answered(op, sequence);
    if ("errno" in answer) throw refused(op, answer, detail);
    return answer.payload;
  }

  #answered(op: string, sequence: number): Message | Refusal {
    for (;;)
      for (const answer of this.#receive(op)) {
        if (answer.sequence !== sequence) continue;
        return answer.type === NLMSG_ERROR ? (parseRefusal(answer) ?? { errno: 0, why: "" }) : answer;
      }
  }

  /** Asks for a list; what `read` makes of each entry (of what follows its nlmsghdr), but for undefined. */
  dump<T>(op: string, message: MessageWriter, read: (entry: Buffer) => T | undefined, limits: DumpLimits = {}): T[] {
    const until = performance.now() + (limits.longest ?? LONGEST);
    for (let tries = 0; tries < TRIES; tries++) {
      const entries: T[] = [];
      const whole = this.#list(op, message, limits, until, (entry) => {
        const made = read(entry);
        if (made !== undefined) entries.push(made);
      });
      if (whole) return entries;
    }
    throw new OsError(op, EINTR, "", `it changed during each of ${TRIES} reads`);
  }

  /** Sets an option of SOL_NETLINK. Where an old kernel does not know it, nothing changes, and nobody minds. */
  option(name: number): void {
    libc().setsockopt(this.fd, SOL_NETLINK, name, ON, ON.length);
  }

  close(): void {
    libc().close(this.fd);
  }

  /** Reads the list once. True if it did not change meanwhile. */
  #list(
    op: string,
    message: MessageWriter,
    { most = MOST, partly = false }: DumpLimits,
    until: number,
    take: (entry: Buffer) => void,
  ): boolean {
    const sequence = this.#send(op, message, NLM_F_DUMP);
    let whole = true;
    for (let octets = 0; octets <= most && performance.now() < until; )
      for (const message of this.#receive(op)) {
        octets += message.payload.length;
        if (message.sequence !== sequence) continue;
        if (message.flags & NLM_F_DUMP_INTR) whole = false;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const refusal = parseRefusal(message);
          if (refusal !== undefined) throw refused(op, refusal);
          return whole;
        }
        if (message.type > NLMSG_OVERRUN) take(message.payload);
      }
    this.spent = true;
    if (partly) return true;
    throw new OsError(op, E2BIG, "", "too long, or too slow to read");
  }

  /** Numbers the messages and sends them at once; the number of the first. */
  #send(op: string, messages: MessageWriter, flags: number, from = 0, until = messages.starts.length): number {
    const first = this.#number(messages, flags, from, until);
    const { octets, starts } = messages;
    const part = until - from === starts.length ? octets : octets.subarray(starts[from], starts[until]);
    checked(libc().send(this.fd, part, part.length, 0), op);
    return first;
  }

  #number({ octets, starts }: MessageWriter, flags: number, from = 0, until = starts.length): number {
    const first = this.#sequence + 1;
    for (let i = from; i < until; i++) {
      const at = starts[i]!;
      putNumber(octets, at + 6, octets[at + 6]! | (octets[at + 7]! << 8) | flags | NLM_F_REQUEST, 2);
      putNumber(octets, at + 8, ++this.#sequence, 4);
    }
    return first;
  }

  #sendElsewhere(op: string, octets: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      libc().send.async(this.fd, octets, octets.length, 0, (error, sent) => {
        if (error !== null) reject(error);
        else if (sent >= 0) resolve();
        else reject(new OsError(op, libc().koffi.errno()));
      });
    });
  }

  /** For sending so many octets at once. Needs rights on the host; without them, or beyond them, sending says EMSGSIZE. */
  #makeRoom(octets: number): void {
    if (octets <= ORDINARY) return;
    const size = Buffer.alloc(4);
    size.writeUInt32LE(octets + ORDINARY);
    libc().setsockopt(this.fd, SOL_SOCKET, SO_SNDBUFFORCE, size, size.length);
  }

  /** The messages of the next datagram from the kernel. Throws an OsError if there is none, or some were lost (ENOBUFS). */
  #receive(op: string): Message[] {
    const messages = this.#next(op);
    if (messages === undefined) throw new OsError(op, EAGAIN, "", "no answer");
    return messages;
  }

  /** The same; undefined if there is none. `harmless`: an error to pass over. */
  #next(op: string, harmless: number = EINTR): Message[] | undefined {
    for (let i = 0; i < MOST_FOREIGN; i++) {
      SENDER_LENGTH.writeUInt32LE(SOCKADDR_NL);
      const length = libc().recvfrom(this.fd, ROOM, ROOM.length, MSG_TRUNC, SENDER, SENDER_LENGTH);
      const errno = length < 0 ? libc().koffi.errno() : 0;
      if (errno === EAGAIN) return undefined;
      if (errno === EINTR || errno === harmless) continue;
      if (errno !== 0) throw new OsError(op, errno);
      if (SENDER.readUInt32LE(SENDER_PORT) !== 0) continue;
      if (length > ROOM.length) throw new OsError(op, EMSGSIZE, "", `an answer of ${length} octets`);
      const datagram = Buffer.allocUnsafe(length);
      ROOM.copy(datagram);
      return parseMessages(datagram);
    }
    throw new OsError(op, EBADMSG, "", "messages from others than the kernel");
  }
}

/** What was refused, as an exception. */
export const refused = (op: string, refusal: Refusal | undefined, detail?: string): OsError =>
  new OsError(op, refusal?.errno ?? 0, detail, refusal?.why);

/** Of SOL_NETLINK: errors without the message that caused them; errors with reasons; dumps that heed what the request names. */
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
export const NETLINK_GET_STRICT_CHK = 12;

const NLMSG_OVERRUN = 4;
/** So many datagrams of others in a row are passed over. */
const MOST_FOREIGN = 100;

/** sockaddr_nl: family 2, padding 2, port 4 (0: the kernel), groups 4. */
const SENDER_PORT = 4;
const KERNEL = Buffer.alloc(SOCKADDR_NL);
KERNEL.writeUInt16LE(AF_NETLINK);
const SENDER = Buffer.alloc(SOCKADDR_NL);
const SENDER_LENGTH = Buffer.alloc(4);
const ON = Buffer.from([1, 0, 0, 0]);
/** The kernel sends lists in pieces of at most 32 KiB. */
const ROOM = Buffer.alloc(65_536);
