/** One rule as iptables-save prints it, as options and their values; and of which kind it is. Pure. */
import { canonicalAddress } from "../../../../model/address.ts";
import type { Protocol } from "../../../../model/types.ts";
import { LAST_MARK } from "../../../marks.ts";
import type { PortRange } from "../../../state.ts";
import { addressIn, device, foreign, number, PROTOCOLS, port, rangeIn, word } from "../../common/typed.ts";
import { type Family, UNSERVED } from "../server.ts";
import { HAIRPIN } from "./chain.ts";

/**
 * "-d", "! --ipvs", "-m ipvs", "--dport", "-j" and what follows each. Every option is there once at most; comments are without their
 * quotation marks.
 */
export type Rule = ReadonlyMap<string, string>;

/** Foreign if it has something that no rule of ours has: an option twice, a quotation mark in a comment. */
export function parseRule(text: string): Rule {
  const rule = new Map<string, string>();
  let [option, negation] = ["", ""];
  for (const { text: token, quoted } of tokens(text)) {
    if (!quoted && token === "!") negation = "! ";
    else if (!quoted && token.startsWith("-")) {
      option = `${negation}${token}`;
      negation = "";
      if (option !== "-m" && rule.has(option)) return foreign();
      if (option !== "-m") rule.set(option, "");
    } else if (option === "" || /["\\]/.test(token)) return foreign();
    else if (option === "-m") rule.set(`-m ${token}`, "");
    else rule.set(option, rule.get(option) === "" ? token : `${rule.get(option)} ${token}`);
  }
  return rule;
}

/** The words of a line; what is in quotation marks is one, as it is written there. */
export const tokens = (line: string): { readonly text: string; readonly quoted: boolean }[] =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) => ({
    text: quoted ?? plain ?? "",
    quoted: quoted !== undefined,
  }));

/**
 * A rule's kind: its options, in order of their names, with those values that are not a matter of the state. Two rules of one kind differ
 * in addresses, ports, marks, devices and comments only. Foreign if one of those is not of its type.
 */
export function kindOf(rule: Rule, family: Family): string {
  const parts = [...rule].map(([option, value]) => {
    const name = option.replace("! ", "");
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name]!(value, family) : value;
    return option === `-m ${rule.get("-p")}` ? "-m <protocol>" : `${option} ${kind}`;
  });
  return parts.sort().join(" ");
}

type Kind = (value: string, family: Family) => string;

/** Of whatever `read` takes. */
const a =
  (kind: string, read: (value: string, family: Family) => unknown): Kind =>
  (value, family) => {
    read(value, family);
    return kind;
  };

const RANGE = a("<range>", (value, family) => rangeIn(family, value));
const DEVICE = a("<device>", device);
const PORT = a("<port>", port);
/** A range is of another kind: not every chain has one. */
const PORTS: Kind = (value) => (portsIn(value).last === undefined ? "<port>" : "<ports>");

const KINDS: Readonly<Record<string, Kind>> = {
  "-d": RANGE,
  "-s": RANGE,
  "-i": DEVICE,
  "-o": DEVICE,
  "-p": a("<protocol>", (value) => word(value, PROTOCOLS)),
  "--dport": PORTS,
  "--sport": PORTS,
  "--to-ports": PORT,
  "--to-source": a("<address>", (value, family) => addressIn(family, value)),
  "--to-destination": (value, family) => (placeIn(family, value).port === undefined ? "<address>" : "<place>"),
  "--set-xmark": markKind,
  "--mark": markKind,
  "--comment": (value) => (/^[ -~]{1,255}$/.test(value) ? "<note>" : foreign()),
};

/** "0x100", "0x100/0xffffffff", "0x80000100/0xffffffff"; or the one that is the same everywhere. */
function markKind(value: string): string {
  if (value === HAIRPIN) return value;
  const [mark = "", mask = ""] = value.split("/");
  const hex = /^0x([0-9a-f]{1,8})$/.exec(mark)?.[1] ?? foreign();
  const all = Number.parseInt(hex, 16);
  number(`${all % UNSERVED}`, 1, LAST_MARK);
  return `<${all >= UNSERVED ? "unserved " : ""}mark>/${mask}`;
}

/** "10.0.1.4:80", "[fd00::4]:80"; without a port "10.0.1.4", "fd00::4". */
export function placeIn(family: Family, text = ""): { readonly address: string; readonly port: number | undefined } {
  if (canonicalAddress(text) !== undefined) return { address: addressIn(family, text), port: undefined };
  const [, address, number] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(text) ?? [];
  return { address: addressIn(family, address), port: port(number) };
}

/** "80", "8000:8010". */
export function portsIn(text: string | undefined): { readonly port: number; readonly last?: number } {
  const [first, last, ...more] = (text ?? "").split(":");
  if (more.length > 0) return foreign();
  return last === undefined
    ? { port: port(first) }
    : { port: port(first), last: number(last, port(first) + 1, 65_535) };
}

export const noteOf = (rule: Rule): string => rule.get("--comment") ?? "";

/** "0x100/0xffffffff" or "0x100". */
export const hexOf = (text: string | undefined): number => Number.parseInt(text ?? "", 16);

export const portOf = (rule: Rule): PortRange => ({ protocol: protocolOf(rule), ...portsIn(rule.get("--dport")) });
export const protocolOf = (rule: Rule): Protocol => word(rule.get("-p"), PROTOCOLS);

/** The one address of "-d 10.0.1.4/32". */
export function hostIn(family: Family, rule: Rule, option = "-d"): string {
  const [address = "", length] = (rule.get(option) ?? "").split("/");
  return length === (family === 4 ? "32" : "128") ? addressIn(family, address) : foreign();
}
