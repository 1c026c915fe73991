/** resolv.conf: what it says, read as Docker reads it. Pure. */
import { canonicalAddress } from "../model/address.ts";
import type { Upstream } from "../model/types.ts";

export interface ResolvConf {
  /** Addresses in canonical form. Link-local ones keep their scope ("fe80::1%eth0"): they mean nothing without it. */
  readonly nameservers: readonly string[];
  /** The last `search` or `domain` line; "." clears. */
  readonly search: readonly string[];
  /** Of all `options` lines. */
  readonly options: readonly string[];
  /** What stands behind `nameserver` and is no address. */
  readonly invalid: readonly string[];
  /** Lines with any other keyword, `sortlist` say. */
  readonly other: readonly string[];
}

/** True if the file has an ndots option, whatever its value: then Docker does not forward unknown names of one label. */
export const hasNdots = ({ options }: ResolvConf): boolean => options.some((o) => /^ndots(:|$)/.test(o));

const LONGEST_LINE = 65536;

/** Throws only for a line longer than 65536 octets; whatever else is strange is skipped, as resolvers do. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  const options: string[] = [];
  const invalid: string[] = [];
  const other: string[] = [];
  let search: readonly string[] = [];
  for (const line of text.split("\n")) {
    if (line.length > LONGEST_LINE) throw new Error(`line too long (exceeds ${LONGEST_LINE})`);
    const [keyword = "", ...values] = line.trim().split(/\s+/);
    const [first] = values;
    if (keyword === "" || keyword.startsWith("#") || keyword.startsWith(";")) continue;
    if (!KEYWORDS.has(keyword)) {
      other.push(line.trim());
    } else if (first === undefined) {
    } else if (keyword === "nameserver") {
      const address = parseNameserver(first);
      if (address === undefined) invalid.push(first);
      else nameservers.push(address);
    } else if (keyword === "search" || keyword === "domain") {
      search = values.length === 1 && first === "." ? [] : values;
    } else options.push(...values);
  }
  return { nameservers, search, options, invalid, other };
}

const KEYWORDS = new Set(["nameserver", "search", "domain", "options"]);

function parseNameserver(text: string): string | undefined {
  const [address = "", scope] = text.split("%", 2);
  const canonical = canonicalAddress(address);
  if (canonical === undefined || scope === undefined) return canonical;
  if (scope === "" || !canonical.includes(":")) return undefined;
  return /^fe[89ab]/.test(canonical) ? `${canonical}%${scope}` : canonical;
}

export interface UpstreamFilter {
  /** Addresses that we answer on ourselves: asking them would be a loop. */
  readonly isOwn?: (address: string) => boolean;
  /** Keep 127.0.0.11, the address of Docker's resolver and ours. Default false. */
  readonly allowEmbedded?: boolean;
}

/** The nameservers as upstreams, in order, each once. There is no limit of three as in the C library. */
export function resolvConfUpstreams(
  conf: ResolvConf,
  { isOwn, allowEmbedded = false }: UpstreamFilter = {},
): Upstream[] {
  return [...new Set(conf.nameservers)]
    .filter((address) => (allowEmbedded || address !== "127.0.0.11") && isOwn?.(address) !== true)
    .map((address) => ({ address, port: 53 }));
}
