/**
 * What nf_tables' attributes hold, said once by tables: which field has which number and form. One function writes by such a table and one
 * reads, for every object and every expression.
 */
import type { Attributes } from "../netlink/read.ts";
import type { MessageWriter } from "../netlink/write.ts";

/** How an attribute's value is written and read. Reading never throws: a value of another form counts as missing. */
export interface Form<T> {
  write(to: MessageWriter, type: number, value: T): void;
  read(from: Attributes, type: number): T | undefined;
}

/** Number and form of the attribute of each field. */
export type Layout<T> = {
  readonly [Name in keyof T]-?: readonly [type: number, form: Form<Exclude<T[Name], undefined>>];
};

/** Fields that are undefined are left out. */
export function writeFields<T extends object>(to: MessageWriter, layout: Layout<T>, fields: T): void {
  for (const name in layout) {
    const value = fields[name];
    const [type, form] = layout[name];
    if (value !== undefined) form.write(to, type, value as Exclude<T[typeof name], undefined>);
  }
}

/** Attributes that are missing, or not of their form, are left out. */
export function readFields<T extends object>(from: Attributes, layout: Layout<T>): Partial<T> {
  const fields: Partial<T> = {};
  for (const name in layout) {
    const [type, form] = layout[name];
    const value = form.read(from, type);
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

export const u8: Form<number> = {
  write: (to, type, value) => void to.u8(type, value),
  read: (from, type) => from.u8(type),
};

export const be32: Form<number> = {
  write: (to, type, value) => void to.be32(type, value >>> 0),
  read: (from, type) => from.be32(type),
};

/** Of flags that the kernel always says: none of them is missing; `implied`: those that it sets by itself. */
export const flags = (implied = 0): Form<number> => ({
  write: be32.write,
  read: (from, type) => ((from.be32(type) ?? 0) & ~implied) >>> 0 || undefined,
});

/** Below zero, too. */
export const signed: Form<number> = {
  write: be32.write,
  read: (from, type) => {
    const value = from.be32(type);
    return value === undefined ? undefined : value | 0;
  },
};

export const be64: Form<number> = {
  write: (to, type, value) => void to.be64(type, value),
  read: (from, type) => from.be64(type),
};

/** None is missing, too. */
export const some64: Form<number> = { write: be64.write, read: (from, type) => from.be64(type) || undefined };

export const text: Form<string> = {
  write: (to, type, value) => void to.text(type, value),
  read: (from, type) => from.text(type),
};

/** Octets, as everywhere in this package: latin1 text. */
export const octets: Form<string> = {
  write: (to, type, value) => void to.raw(type, value),
  read: (from, type) => from.octets(type),
};

/** Of an attribute of attributes. */
export const nested = <T extends object>(layout: Layout<T>): Form<Partial<T>> => ({
  write: (to, type, value) => {
    const at = to.open();
    writeFields(to, layout as Layout<Partial<T>>, value);
    to.close(at, type);
  },
  read: (from, type) => (from.has(type) ? readFields(from.nested(type), layout) : undefined),
});

/** struct nft_data of a value. */
export const value: Form<string> = {
  write: (to, type, data) => {
    const at = to.open();
    to.raw(1, data).close(at, type);
  },
  read: (from, type) => from.nested(type).octets(1),
};

/** A number that has a name. */
export function named<const Names extends Readonly<Record<string, number>>>(
  names: Names,
  as: Form<number> = be32,
): Form<keyof Names & string> {
  const byNumber = new Map(Object.entries(names).map(([name, number]) => [number, name]));
  return {
    write: (to, type, name) => as.write(to, type, names[name]!),
    read: (from, type) => byNumber.get(as.read(from, type) ?? Number.NaN),
  };
}

/** What becomes of a packet, or which chain it goes through next. */
export type Verdict = "accept" | "drop" | "return" | `goto ${string}` | `jump ${string}`;

const CODES = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
const VERDICTS = nested<{ code: keyof typeof CODES; chain?: string }>({
  code: [1, named(CODES, signed)],
  chain: [2, text],
});

/** struct nft_data of a verdict. */
export const verdict: Form<Verdict> = {
  write: (to, type, text) => {
    const space = text.indexOf(" ");
    const code = (space < 0 ? text : text.slice(0, space)) as keyof typeof CODES;
    const [data, verdict] = [to.open(), to.open()];
    to.be32(1, CODES[code] >>> 0);
    if (space >= 0) to.text(2, text.slice(space + 1));
    to.close(verdict, 2).close(data, type);
  },
  read: (from, type) => {
    const { code, chain } = VERDICTS.read(from.nested(type), 2) ?? {};
    if (code !== "goto" && code !== "jump") return code;
    return chain === undefined ? undefined : `${code} ${chain}`;
  },
};
