/**
 * Generic netlink: commands to a part of the kernel ("IPVS") and its answers. linux/genetlink.h.
 *
 *   genlmsghdr  command 1, version 1, reserved 2
 */
import { OsError } from "../error.ts";
import { type DumpLimits, NETLINK_GENERIC, Netlink } from "./connection.ts";
import { parseAttributes } from "./read.ts";
import { MessageWriter } from "./write.ts";

const GENLMSGHDR = 4;
const VERSION = 1;

/** The family that tells of the others; its command, and the attributes of its answer. */
const CONTROL = { family: 16, getFamily: 3, id: 1, name: 2 } as const;
const ENOENT = 2;

/** A command and its attributes. */
export interface GenericMessage {
  readonly command: number;
  readonly attributes: Buffer;
}

/** A connection to one family, in the network namespace where it was opened. Its owner closes it. */
export class Genetlink {
  readonly #netlink: Netlink;
  readonly #name: string;
  readonly #family: number;

  /** Throws an OsError, ENOENT if the kernel has no such family (its module is not loaded, say). */
  constructor(family: string) {
    this.#netlink = new Netlink(NETLINK_GENERIC);
    this.#name = family;
    try {
      this.#family = this.#familyId();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Does the commands in order, whether one fails or not; the error number of each, 0 if it was done. */
  do(messages: readonly GenericMessage[]): number[] {
    const refusals = this.#netlink.execute(this.#name, this.#pack(messages));
    return refusals.map((refusal) => refusal?.errno ?? 0);
  }

  /** Asks for a list; the attributes of each entry. */
  dump(message: GenericMessage, limits?: DumpLimits): Buffer[] {
    return this.#netlink.dump(this.#name, this.#pack([message]), (entry) => entry.subarray(GENLMSGHDR), limits);
  }

  /** Asks for one thing; its attributes. */
  ask(message: GenericMessage): Buffer {
    return this.#netlink.ask(this.#name, this.#pack([message])).subarray(GENLMSGHDR);
  }

  close(): void {
    this.#netlink.close();
  }

  #familyId(): number {
    const message = new MessageWriter().message(CONTROL.family, 0, [CONTROL.getFamily, VERSION, 0, 0], (to) =>
      to.text(CONTROL.name, this.#name),
    );
    const answer = this.#netlink.ask("netlink family", message, this.#name);
    const id = parseAttributes(answer.subarray(GENLMSGHDR)).u16(CONTROL.id);
    if (id === undefined) throw new OsError("netlink family", ENOENT, this.#name);
    return id;
  }

  #pack(messages: readonly GenericMessage[]): MessageWriter {
    const out = new MessageWriter();
    for (const { command, attributes } of messages)
      out.message(this.#family, 0, [command, VERSION, 0, 0], () => out.append(attributes));
    return out;
  }
}
