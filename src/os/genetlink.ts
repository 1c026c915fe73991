/**
 * Generic netlink: commands to a part of the kernel ("IPVS") and its answers. linux/genetlink.h.
 *
 *   genlmsghdr  command 1, version 1, reserved 2
 */
import { OsError } from "./error.ts";
import { libc } from "./libc.ts";
import {
  attribute,
  NETLINK_GENERIC,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLMSG_DONE,
  NLMSG_ERROR,
  netlinkMessage,
  openNetlink,
  parseAttributes,
  receiveNetlink,
  sendNetlink,
  text,
} from "./netlink.ts";

const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const VERSION = 1;

const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

/** Answers of so many commands fit into a socket's receive buffer (208 kB); the next ones are sent after they were read. */
const BATCH = 100;

/** A command and its attributes. */
export interface GenericMessage {
  readonly command: number;
  readonly attributes: Buffer;
}

/** A connection to one family, in the network namespace where it was opened. Its owner closes it. */
export class Genetlink {
  readonly #fd: number;
  readonly #family: number;
  #sequence = 1;

  /** Throws an OsError, ENOENT if the kernel has no such family (its module is not loaded, say). */
  constructor(family: string) {
    this.#fd = openNetlink(NETLINK_GENERIC);
    try {
      const on = Buffer.alloc(4);
      on.writeUInt32LE(1);
      libc().setsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, on, 4); // errors without the message that caused them
      this.#family = this.#familyId(family);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Does the commands in order, whether one fails or not; the error number of each, 0 if it was done. */
  do(messages: readonly GenericMessage[]): number[] {
    const results: number[] = [];
    for (let at = 0; at < messages.length; at += BATCH) {
      const batch = messages.slice(at, at + BATCH);
      const first = this.#sequence;
      this.#send(this.#family, NLM_F_ACK, batch);
      while (results.length < at + batch.length)
        receiveNetlink(this.#fd, (type, payload, sequence) => {
          if (type === NLMSG_ERROR && sequence >= first) results[at + sequence - first] = -payload.readInt32LE(0);
        });
    }
    return results;
  }

  /** Asks for a list; the attributes of each entry. */
  dump(message: GenericMessage): Buffer[] {
    const entries: Buffer[] = [];
    this.#send(this.#family, NLM_F_DUMP, [message]);
    for (let done = false; !done; )
      receiveNetlink(this.#fd, (type, payload) => {
        if (type === NLMSG_DONE) done = true;
        else if (type === NLMSG_ERROR) throw new OsError("netlink", -payload.readInt32LE(0));
        else entries.push(Buffer.from(payload.subarray(4)));
      });
    return entries;
  }

  /** Asks for one thing; its attributes. */
  ask(message: GenericMessage): Buffer {
    let answer = Buffer.alloc(0);
    this.#send(this.#family, 0, [message]);
    receiveNetlink(this.#fd, (type, payload) => {
      if (type === NLMSG_ERROR) throw new OsError("netlink", -payload.readInt32LE(0));
      answer = Buffer.from(payload.subarray(4));
    });
    return answer;
  }

  close(): void {
    libc().close(this.#fd);
  }

  #familyId(name: string): number {
    const attributes = attribute(CTRL_ATTR_FAMILY_NAME, text(name));
    this.#send(GENL_ID_CTRL, 0, [{ command: CTRL_CMD_GETFAMILY, attributes }]);
    let id = 0;
    receiveNetlink(this.#fd, (type, payload) => {
      if (type === NLMSG_ERROR) throw new OsError("netlink family", -payload.readInt32LE(0), name);
      id = parseAttributes(payload.subarray(4)).get(CTRL_ATTR_FAMILY_ID)?.readUInt16LE(0) ?? 0;
    });
    return id;
  }

  #send(type: number, flags: number, messages: readonly GenericMessage[]): void {
    const pack = ({ command, attributes }: GenericMessage) =>
      netlinkMessage(type, flags, this.#sequence++, [command, VERSION], [attributes]);
    sendNetlink(this.#fd, messages.map(pack));
  }
}
