/** What single words of a config file may be: names, addresses, ports. */
import { z } from "zod";
import { addressBytes, canonicalRange, parseCidr } from "../model/address.ts";
import { callingProblem, nameProblem } from "../model/name.ts";
import { type Ports, publishedProblem, rangeProblem } from "../model/port-range.ts";
import { brief } from "../model/quote.ts";

const named = (problemOf: (value: string) => string | undefined) =>
  z.string().superRefine((value, ctx) => {
    const problem = problemOf(value);
    if (problem !== undefined)
      ctx.addIssue({ code: "custom", message: `name ${JSON.stringify(brief(value))} ${problem}` });
  });
const wildcard = (v: string) => (v.includes("*") ? "has a wildcard, which only aliases may have" : undefined);
/** What Docker would take: DNS need not have a form for it. */
export const name = named((v) => wildcard(v) ?? callingProblem(v));
export const spacedName = named((v) => wildcard(v) ?? callingProblem(v, true));
export const alias = named((v) => callingProblem(v));
/** A name that is compared with what is asked for. */
export const domain = named((v) => wildcard(v) ?? nameProblem(v));
export const address = z.string().refine((v) => addressBytes(v) !== undefined, {
  error: (i) => `must be an IP address, got "${brief(`${i.input}`)}"`,
});
export const family = (of: 4 | 6) =>
  z.string().refine((v) => parseCidr(v)?.family === of, {
    error: (i) =>
      `must be an IPv${of} subnet such as ${of === 4 ? "10.0.1.0/24" : "fd00:1::/64"} (no host bits), got "${brief(`${i.input}`)}"`,
  });
export const cidr = z.string().refine((v) => parseCidr(v) !== undefined, {
  error: (i) => `must be a subnet such as 10.0.1.0/24 (no host bits), got "${brief(`${i.input}`)}"`,
});
export const addressOrCidr = z.string().refine((v) => canonicalRange(v) !== undefined, {
  error: (i) => `must be an address or a range such as 10.0.1.0/24 (no host bits), got "${brief(`${i.input}`)}"`,
});
export const seconds = z.int().min(0).max(2_147_483_647);
/** An interface's name that nft and a log can be told (lb-programmer's `isDevice`). */
export const device = z.string().regex(/^(?!\.\.?$)[!#-&(-.0-9<-[\]-z|~]{1,15}$/, {
  error: "must be an interface's name: 1 to 15 visible ASCII characters, none of / : \" ' ; { } \\",
});

/** "192.0.2.1", "192.0.2.1:53", "[2001:db8::1]:53" or "2001:db8::1"; undefined if it is none. */
export function splitHostPort(text: string): { address: string; port: number | undefined } | undefined {
  const [, bracketed, plain, digits] =
    /^(?:\[([^\]]+)\]|([^[\]]*?))(?::(\d{1,5}))?$/.exec(addressBytes(text) ? `[${text}]` : text) ?? [];
  const host = bracketed ?? plain;
  const number = digits === undefined ? undefined : Number(digits);
  if (host === undefined || addressBytes(host) === undefined || (number !== undefined && number > 65_535))
    return undefined;
  return { address: host, port: number };
}

/** A range of ports, or what is wrong with it. */
export const portRange = z.string().superRefine((text, ctx) => {
  const message = rangeProblem(text);
  if (message !== undefined) ctx.addIssue({ code: "custom", message: `${message}, got "${brief(text)}"` });
});

/**
 * Compose's short form: [published:]target[/protocol], either of them a port or a range. A target alone is published on an allocated
 * port, as Docker does.
 */
export function splitPort(
  text: string,
): { target: Ports; published: Ports; protocol: "tcp" | "udp" | "sctp" } | undefined {
  const [, outside = "0", inside = "", protocol = "tcp"] =
    /^(?:([\d-]{1,11}):)?([\d-]{1,11})(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  const [target, published] = [portsOf(inside), portsOf(outside)];
  if (target === undefined || target === 0 || published === undefined) return undefined;
  return publishedProblem(target, published) ? undefined : { target, published, protocol: protocol as "tcp" };
}

/** "80" to 80, "8000-8010" as it is. */
function portsOf(text: string): Ports | undefined {
  if (text.includes("-")) return rangeProblem(text) ? undefined : text;
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}
