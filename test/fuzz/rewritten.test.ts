/** A sandbox's resolv.conf, whatever the container wrote into it: it can be read, and what we make of it asks us and nobody else. */
import fc from "fast-check";
import { expect } from "vitest";
import { parseResolvConf } from "../../src/resolv-conf/parse.ts";
import { render } from "../../src/resolv-conf/text.ts";
import { fuzz } from "./fuzz.ts";

const word = fc.constantFrom(
  "nameserver",
  "search",
  "domain",
  "options",
  "sortlist",
  "ndots:",
  "ndots:1",
  "192.0.2.1",
  "fd00::1%",
  "#",
  ";",
  ".",
);
const gap = fc.constantFrom(" ", "\t", "\n", "\n\n", "\r\n", "\u00a0", "\u2028", "\v", "\0");
const text = fc
  .array(fc.oneof(word, gap, fc.string({ unit: "binary", maxLength: 8 })), { maxLength: 200 })
  .map((parts) => Buffer.from(parts.join("")));

fuzz("rewritten", fc.oneof(text, fc.uint8Array({ maxLength: 400 })), (input) => {
  const old = parseResolvConf(Buffer.from(input).toString());
  const made = render(old, { path: "/x", address: "127.0.0.11", servers: old.nameservers, override: false });
  expect(made.length).toBeLessThan(4 * input.length + 1_000);
  expect(parseResolvConf(made).nameservers).toEqual(["127.0.0.11"]);
  expect(made.split("\n").filter((line) => /^\s*nameserver\s/.test(line))).toEqual(["nameserver 127.0.0.11"]);
});
