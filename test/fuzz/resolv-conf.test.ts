/** resolv.conf, whoever wrote it: an error only for a line that is too long, and every upstream an address, each once. */
import { isIP } from "node:net";
import fc from "fast-check";
import { hasNdots, parseResolvConf, type ResolvConf, resolvConfUpstreams } from "../../src/resolv-conf/parse.ts";
import { damaged, text } from "./arbitraries.ts";
import { fuzz, must } from "./fuzz.ts";

const keyword = fc.constantFrom("nameserver", "search", "domain", "options", "sortlist", "#", ";", "NAMESERVER", "");
const value = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom(
    "127.0.0.11",
    "fe80::1%eth0",
    "fe80::1%",
    "1.2.3.4%x",
    "ndots:5",
    "ndots:",
    "ndots",
    ".",
    "corp.example",
  ),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const gap = fc.constantFrom(" ", "\t", "  ", "\u00a0", "\r", "\v", "\0");
const line = fc
  .tuple(
    gap,
    keyword,
    fc.array(
      fc.tuple(gap, value).map((v) => v.join("")),
      { maxLength: 6 },
    ),
    fc.nat(3),
  )
  .map(([indent, k, values, n]) => `${n === 0 ? indent : ""}${k}${values.join("")}`);
const file = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom("\n", "\r\n"), fc.nat(400), fc.nat(70_000))
  .map(([lines, end, dice, long]) => [...lines, ...(dice === 0 ? [`search ${"x ".repeat(long)}`] : [])].join(end));

fuzz(
  "resolv-conf",
  damaged(text(file)),
  (input) => {
    const written = Buffer.from(input).toString();
    const tooLong = written.split("\n").some((l) => l.length > 65_536);
    let conf: ResolvConf;
    try {
      conf = parseResolvConf(written);
    } catch (error) {
      return must(tooLong && String(error).includes("line too long"), String(error));
    }
    must(!tooLong, "a line that is too long is an error");
    const upstreams = resolvConfUpstreams(conf, { isOwn: (a) => a === "127.0.0.1" });
    for (const { address, port } of upstreams) {
      must(isIP(address.split("%")[0]!) !== 0 && port === 53, address);
      must(address !== "127.0.0.11" && address !== "127.0.0.1", address);
    }
    must(new Set(upstreams.map((u) => u.address)).size === upstreams.length, "each once");
    must(hasNdots(conf) === conf.options.some((o) => o === "ndots" || o.startsWith("ndots:")), "ndots");
    for (const words of [conf.search, conf.options, conf.invalid])
      must(
        words.every((w) => w !== "" && !/\s/.test(w)),
        "words have no white space",
      );
  },
  { slowest: 500 },
);
