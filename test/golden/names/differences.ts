/** Where we differ from what Docker 20.10 was seen to do, each with its reason. The replay checks ours and that each is met. */
import type { Case } from "./topology.ts";

export interface Difference {
  readonly why: string;
  readonly applies: (c: Case) => boolean;
  /** What we say instead. */
  readonly ours: RegExp;
}

const name = (c: Case): string => c.query.name ?? "";
const isType = (c: Case, ...types: string[]): boolean =>
  types.includes(c.query.type ?? "") && c.query.raw === undefined;
/** Questions of these captures that are about names inside. */
const local = (c: Case): boolean => /^(tasks\.)?(web|rr|c1|foo|many|peer|six)$/.test(name(c));
const ids = (c: Case, ...list: string[]): boolean => list.includes(c.id);

export const DIFFERENCES: readonly Difference[] = [
  {
    why: "classes: CHAOS names the server, ANY is IN, everything else is REFUSED instead of answered as IN or forwarded",
    applies: (c) => ["CH", "HS"].includes(c.query.cls ?? "") || ids(c, "malformed/047"),
    ours: /^(REFUSED qr rd|NOERROR qr rd ra: version\.bind 0 TXT eleven \S+)$/,
  },
  {
    why: "zone transfers are refused, not forwarded",
    applies: (c) => isType(c, "AXFR"),
    ours: /^REFUSED qr rd$/,
  },
  {
    why: "ANY for a known name is one HINFO record (RFC 8482); Docker forwards it, so an inside name leaks and comes back NXDOMAIN",
    applies: (c) => isType(c, "ANY") && (local(c) || /arpa$/.test(name(c))),
    ours: /^NOERROR qr rd ra: \S+ 3600 HINFO RFC8482$/,
  },
  {
    why: "a known name has TXT metadata; Docker forwards the question",
    applies: (c) => isType(c, "TXT") && local(c) && !name(c).startsWith("tasks."),
    ours: /^NOERROR qr rd ra: \S+ 600 TXT (id|container)=\S+/,
  },
  {
    why: "any other type of a known name is NODATA; Docker forwards it, so an inside name leaks and comes back NXDOMAIN",
    applies: (c) => isType(c, "TXT", "NS", "SOA", "HTTPS", "CNAME", "SRV", "PTR") && local(c),
    ours: /^NOERROR qr rd ra$/,
  },
  {
    why: "names below a service's name are ours: an unknown port is NXDOMAIN and nobody outside is asked",
    applies: (c) => isType(c, "SRV") && /^_\w+\._tcp\.(web|pub|rr)$/.test(name(c)),
    ours: /^NXDOMAIN qr rd ra$/,
  },
  {
    why: "a service without running tasks keeps its name: the VIP, or NODATA; Docker forgets it and forwards the question",
    applies: (c) =>
      c.expect.rcode === "NXDOMAIN" &&
      (name(c) === "zerorr" ||
        (c.id.startsWith("dynamic/") && /^(tasks\.)?(web|rr|sick)$/.test(name(c)) && c.phase !== "removed")),
    ours: /^NOERROR qr rd ra(: sick 600 A 10\.0\.1\.11)?$/,
  },
  {
    why: "network names are compared without case",
    applies: (c) => ["web.MYNET", "dup.upper"].includes(name(c)) && c.from !== "za",
    ours: /^NOERROR qr rd ra: \S+ 600 A /,
  },
  {
    why: "VIPs have PTR records",
    applies: (c) => ["2.1.0.10.in-addr.arpa", "7.12.0.10.in-addr.arpa"].includes(name(c)),
    ours: /^NOERROR qr rd ra: \S+ 600 PTR (web\.mynet|two\.ova)$/,
  },
  {
    why: "PTR in any case, and PTR for what is no reverse name, is answered; Docker drops it",
    applies: (c) => isType(c, "PTR") && c.expect.status === "timeout",
    ours: /^NOERROR qr rd ra(: 32\S+ 600 PTR c1\.mynet| forwarded)?$/,
  },
  {
    why: "loopback addresses and .invalid are nobody else's business (RFC 6761, RFC 6303)",
    applies: (c) => name(c) === "1.0.0.127.in-addr.arpa" || name(c).endsWith(".invalid"),
    ours: /^(NOERROR qr rd ra: 1\.0\.0\.127\.in-addr\.arpa 86400 PTR localhost|NXDOMAIN qr rd ra)$/,
  },
  {
    why: "internal networks send nothing out; in Docker 20.10 they do (CVE-2024-29018), or the client waits for nothing",
    applies: (c) => ["incli", "d-inn", "d-ovi"].includes(c.from) && ["nosuch", "host.up.example"].includes(name(c)),
    ours: /^SERVFAIL qr rd$/,
  },
  {
    why: "whoever has a sandbox is answered; Docker runs no resolver on the default bridge",
    applies: (c) => c.group === "default-bridge",
    ours: / forwarded$/,
  },
  {
    why: "the first network that knows a name answers for both families (moby 28 does so, too): no mixed answers",
    applies: (c) => name(c) === "dup" && isType(c, "AAAA") && ["all", "rall"].includes(c.from),
    ours: /^NOERROR qr rd ra$/,
  },
  {
    why: "CD is copied into forwarded replies whatever the upstream does (RFC 4035 3.2.2)",
    applies: (c) => Boolean(c.query.cd) && c.expect.forwarded > 0,
    ours: /^NO?X?(ERROR|DOMAIN) qr (tc )?rd ra cd/,
  },
  {
    why: "an upstream's answer that does not fit over UDP keeps the records that do (RFC 2181 9); Docker passes on what the upstream's truncated one had, here none",
    applies: (c) => name(c) === "big.up.example" && c.expect.flags["tc"] === 1,
    ours: /^NOERROR qr tc (rd )?ra: (29|30|74) records forwarded$/,
  },
  {
    why: "NXDOMAIN of an upstream is final (as in Docker since 24.0.1); 20.10 asks the next one",
    applies: (c) => name(c) === "nx-a.up.example",
    ours: /^NXDOMAIN qr rd ra forwarded$/,
  },
  {
    why: "TCP clients' questions go upstream over UDP first, other upstreams are asked early, any number of them is used, and at the end there is always an answer; Docker says nothing",
    applies: (c) => ["slow-and-dead", "dead"].includes(c.group) && c.expect.status === "timeout",
    ours: /^(NOERROR qr rd ra: \S+ 300 A 192\.0\.2\.(77|88)|SERVFAIL qr rd)$/,
  },
  {
    why: "malformed questions are FORMERR; Docker says nothing, or takes a cut-off type or class for zero",
    applies: (c) => ids(c, "malformed/006", "malformed/007", "malformed/011", "malformed/013"),
    ours: /^FORMERR qr rd$/,
  },
  {
    why: "every opcode but QUERY is NOTIMP (RFC 8906); Docker answers NOTIFY as a query",
    applies: (c) => c.query.opcode === 4 || ids(c, "malformed/034"),
    ours: /^NOTIMP qr rd$/,
  },
  {
    why: "two OPT records, or one not owned by the root, are FORMERR (RFC 6891 6.1.1)",
    applies: (c) => ids(c, "malformed/037", "malformed/039"),
    ours: /^FORMERR qr rd$/,
  },
  {
    why: "owner names are always compressed, so more records fit: 30 addresses in 512 octets where Docker gives 18",
    applies: (c) => c.group === "large" && name(c) === "tasks.many" && c.expect.flags["tc"] === 1,
    ours: /^NOERROR qr (tc rd ra: 30 records|rd ra: tasks\.many 600 A )/,
  },
  {
    why: "a renamed container has its new name at once, and the old one is gone",
    applies: (c) => c.phase.startsWith("renamed"),
    ours: /^(NXDOMAIN qr rd ra forwarded|NOERROR qr rd ra: (newp[12] 600 A|4\S+ 600 PTR newp2\.br1))/,
  },
  {
    why: "captured in mid-update: the old task is listed as running and already withdrawn",
    applies: (c) => ids(c, "dynamic/049"),
    ours: /^NOERROR qr rd ra: tasks\.web 600 A 10\.0\.1\.15; tasks\.web 600 A 10\.0\.1\.18$/,
  },
];
