/** What others have in nf_tables, asked of the kernel as it is, within limits of octets and time. */
import { OsError } from "../error.ts";
import type { Netlink } from "../netlink/connection.ts";
import { type Attributes, parseAttributes } from "../netlink/read.ts";
import { MessageWriter } from "../netlink/write.ts";
import { NF_TABLES } from "./message.ts";

const E2BIG = 7;

/** What is asked for, by attribute. */
type Names = Readonly<Record<number, string>>;

export interface ListLimits {
  /** Octets of each list. Missing: as many as a list may have anyway. */
  readonly most: number | undefined;
  /** Of performance.now(). */
  readonly until: number;
}

/** With a connection that no other list may be asked for by, once one was cut off. */
export class Lists {
  readonly #netlink: Netlink;
  readonly #op: string;
  readonly #limits: ListLimits;

  constructor(netlink: Netlink, op: string, limits: ListLimits) {
    this.#netlink = netlink;
    this.#op = op;
    this.#limits = limits;
  }

  /** What `read` makes of each entry, but for undefined. Throws an OsError. */
  list<T>(
    type: keyof typeof NF_TABLES,
    family: number,
    names: Names,
    read: (family: number, from: Attributes) => T | undefined,
  ): readonly T[] {
    const { most, until } = this.#limits;
    const longest = until - performance.now();
    if (longest < 0) throw new OsError(this.#op, E2BIG, "", "no time is left to read it");
    const limits = { longest, ...(most !== undefined && { most }) };
    const entry = (message: Buffer) => read(message[0] ?? -1, parseAttributes(message.subarray(NFGENMSG)));
    return this.#netlink.dump(this.#op, asking(type, family, names), entry, limits);
  }

  /** Throws an OsError: ENOENT if there is none. */
  one(type: keyof typeof NF_TABLES, family: number, names: Names): Attributes {
    return parseAttributes(this.#netlink.ask(this.#op, asking(type, family, names)).subarray(NFGENMSG));
  }
}

const NFGENMSG = 4;

const asking = (type: keyof typeof NF_TABLES, family: number, names: Names): MessageWriter =>
  new MessageWriter().message(NF_TABLES[type], 0, [family, 0, 0, 0], (to) => {
    for (const [attribute, name] of Object.entries(names)) to.text(Number(attribute), name);
  });
