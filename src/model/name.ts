/** Names as people write them and as lookups use them: wire labels, ASCII lower-cased, length octets included, as latin1. */

/**
 * Lookup key of a dotted name: "Web.mynet" becomes "\x03web\x05mynet"; "" is the root. UTF-8 for anything beyond ASCII.
 * A name has no escapes here: every dot separates labels.
 */
export const nameKey = (name: string): string => foldCase(nameLabels(name));

/** A key that keeps the case people chose, for names inside answers. */
export function nameLabels(name: string): string {
  const octets = ASCII.test(name) ? name : Buffer.from(name, "utf8").toString("latin1");
  if (octets === ".") return "";
  const labels = octets.split(".");
  if (labels[labels.length - 1] === "") labels.pop();
  for (let i = 0; i < labels.length; i++) labels[i] = LENGTHS[labels[i]!.length & 63]! + labels[i]!;
  return labels.join("");
}

const ASCII = /^[\0-\x7f]*$/;
const LENGTHS = Array.from({ length: 64 }, (_, n) => String.fromCharCode(n));

/** Dotted text of a key, without the trailing dot; octets that would be misread are written \DDD (RFC 1035 5.1). */
export function keyName(key: string): string {
  const labels: string[] = [];
  for (let i = 0; i < key.length; i += key.charCodeAt(i) + 1) {
    labels.push(key.slice(i + 1, i + 1 + key.charCodeAt(i)).replace(/[^!-~]|[.\\]/g, escapeOctet));
  }
  return labels.join(".");
}

/** Lower-cases A-Z and nothing else (RFC 4343). */
export function foldCase(latin1: string): string {
  return UPPER.test(latin1) ? latin1.replace(/[A-Z]+/g, (s) => s.toLowerCase()) : latin1;
}

const UPPER = /[A-Z]/;

/**
 * True if DNS has a form for the name: labels of 1 to 63 octets, at most 253 in all. Networks, containers and aliases may be
 * called otherwise; then they can't be asked for by that name, and that is all.
 */
export function isServable(name: string): boolean {
  const end = name.endsWith(".") ? name.length - 1 : name.length;
  if (end > 253) return false;
  for (let i = 0, label = 0; i <= end; i++) {
    const c = i < end ? name.charCodeAt(i) : DOT;
    if (c > 127)
      return isServable(
        Buffer.from(name, "utf8")
          .toString("latin1")
          .replace(/[^\0-\x7f]/g, "x"),
      );
    if (c !== DOT) label++;
    else if (label === 0 || label > 63) return false;
    else label = 0;
  }
  return true;
}

const DOT = 46;

/** Why nothing may be called this, or undefined: there must be something to read, and no control characters. */
export function callingProblem(name: string, spaces = false): string | undefined {
  if (name.trim() === "") return "is empty";
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return "has control characters";
  return !spaces && /\s/.test(name) ? "has white space" : undefined;
}

/**
 * What else a new name or id must be: half a character has no form on any wire, and so that one object holds nobody up, there are `most`
 * octets. `called`: objects are asked for by it, in paths of the API, where "." and ".." lead elsewhere.
 */
export function namingProblem(name: string, most: number, called: boolean): string | undefined {
  if (name.length * 3 > most && Buffer.byteLength(name) > most)
    return `must be at most ${most} octets long, not ${Buffer.byteLength(name)}`;
  if (called && (name === "." || name === "..")) return "must be a name that a URL can have";
  return HALF.test(name) ? "must have whole characters only" : undefined;
}

const HALF = /\p{Cs}/u;

/**
 * Why a name can't be asked for, or undefined if it can: labels of 1-63 octets, at most 253 in all, no empty label, no
 * white space or control characters. Underscores, digits and dots are fine, as in Docker's container names and aliases.
 */
export function nameProblem(name: string): string | undefined {
  if (name === "" || name === ".") return "is empty";
  const dotless = name.endsWith(".") ? name.slice(0, -1) : name;
  if (/[\s\p{Cc}]/u.test(dotless)) return "has white space or control characters";
  const labels = dotless.split(".");
  if (labels.some((l) => l === "")) return "has an empty label";
  const long = labels.find((l) => Buffer.byteLength(l) > 63);
  if (long !== undefined) return `has a label of ${Buffer.byteLength(long)} octets, 63 are allowed`;
  if (Buffer.byteLength(dotless) > 253) return `has ${Buffer.byteLength(dotless)} octets, 253 are allowed`;
  return undefined;
}

const escapeOctet = (c: string): string =>
  c === "." || c === "\\" ? `\\${c}` : `\\${c.charCodeAt(0).toString().padStart(3, "0")}`;
