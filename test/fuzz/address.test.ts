/** Addresses, ranges and names as text: nothing throws, node reads them the same, and whoever asks is found as by looking at all. */
import { isIP } from "node:net";
import fc from "fast-check";
import { splitHostPort, splitPort } from "../../src/config/words.ts";
import { addressBytes, addressText, canonicalAddress, inCidr, parseCidr, reverseKey } from "../../src/model/address.ts";
import { isServable, keyName, nameKey, nameProblem } from "../../src/model/name.ts";
import { eachPort, WIDEST } from "../../src/model/port-range.ts";
import { ADDRESS, readReverse, subnetOf, subnetText } from "../../src/scoping/reverse.ts";
import { Senders } from "../../src/server/senders.ts";
import { damaged, text } from "./arbitraries.ts";
import { fuzz, must } from "./fuzz.ts";

const number = fc.oneof(fc.nat(300).map(String), fc.constantFrom("0", "00", "01", "255", "256", "+1", "1e1", "0x1"));
const group = fc.oneof(
  fc.nat(0x1ffff).map((n) => n.toString(16)),
  fc.constantFrom("", "0", "0000", "00000", "FFFF"),
);
const v4 = fc.array(number, { minLength: 3, maxLength: 5 }).map((parts) => parts.join("."));
const v6 = fc
  .tuple(fc.array(group, { maxLength: 9 }), fc.option(v4))
  .map(([g, tail]) => [...g, ...(tail ? [tail] : [])].join(":"));
const address = fc.oneof(
  v4,
  v6,
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map((a) => `::ffff:${a}`),
);
const range = fc
  .tuple(address, fc.oneof(fc.constant(""), number))
  .map(([a, bits]) => (bits === "" ? a : `${a}/${bits}`));
const port = fc.oneof(
  fc.constant(""),
  fc.nat(70_000).map((n) => `:${n}`),
);
const hostPort = fc
  .tuple(address, port, fc.boolean())
  .map(([a, p, brackets]) => (brackets ? `[${a}]${p}` : `${a}${p}`));

fuzz("address", damaged(text(fc.oneof(address, range, hostPort))), (input) => {
  const written = Buffer.from(input).toString();
  const bytes = addressBytes(written);
  if (!written.includes("%")) must((bytes !== undefined) === (isIP(written) !== 0), "what node takes for an address");
  if (bytes !== undefined) {
    must(canonicalAddress(addressText(bytes)) === addressText(bytes), "canonical once");
    must(readReverse(reverseKey(bytes)) === ADDRESS, "has a reverse name");
  }
  const cidr = parseCidr(written);
  if (cidr !== undefined) {
    must(inCidr(cidr, addressText(cidr.base)), "a range holds its base");
    const reverse = reverseKey(cidr.base);
    must(readReverse(reverse) === ADDRESS, "has a reverse name");
    const apex = subnetOf(reverse, [subnetText(cidr.bits, cidr.base)]);
    must(apex > 0, "is below its zone");
    must(readReverse(reverse.slice(apex)) !== ADDRESS, "a zone is no address");
  }
  const split = splitHostPort(written);
  if (split !== undefined) must(isIP(split.address) !== 0, split.address);
  const published = splitPort(written);
  const single = published === undefined ? [] : eachPort(published);
  must(single.length <= WIDEST, "as many as a range may have");
  must(
    single.every((p) => p.target > 0 && p.target < 65_536 && p.published! < 65_536),
    "ports",
  );
});

const list = fc.array(
  fc.array(range, { maxLength: 4 }).map((sources) => sources.join(",")),
  { maxLength: 6 },
);

fuzz("senders", text(fc.tuple(list, address).map(([lists, from]) => [...lists, from].join(" "))), (input) => {
  const [from = "", ...lists] = Buffer.from(input).toString().split(" ").reverse();
  const senders = new Senders();
  const rules = lists.flatMap((sources, i) => {
    const all = sources === "" ? undefined : sources.split(",");
    senders.add(`s${i}`, all);
    return (all ?? ["any"]).map((source) => ({ source, sandbox: `s${i}` }));
  });
  const found = senders.find(from);
  const exact = rules.filter((r) => r.source === from && parseCidr(r.source) === undefined);
  const ranges = rules.flatMap(({ source, sandbox }) => {
    const cidr = parseCidr(source);
    return cidr !== undefined && inCidr(cidr, from) ? [{ bits: cidr.bits, sandbox }] : [];
  });
  const narrowest = Math.max(...ranges.map((r) => r.bits));
  const anyone = rules.filter((r) => r.source === "any");
  const may = exact.length > 0 ? exact : ranges.length > 0 ? ranges.filter((r) => r.bits === narrowest) : anyone;
  if (may.length === 0) must(found === undefined, "nobody");
  else
    must(
      may.some((r) => r.sandbox === found),
      `${found}`,
    );
  for (const [i] of lists.entries()) senders.remove(`s${i}`);
  must(senders.find(from) === undefined && senders.empty, "empty again");
});

const word = fc.oneof(
  fc.constantFrom("a", ".", "..", "ü", "🐳", "*", " ", "\\", "x".repeat(63), "A"),
  fc.string({ maxLength: 5 }),
);

fuzz("name", text(fc.array(word, { maxLength: 12 }).map((w) => w.join(""))), (input) => {
  const name = Buffer.from(input).toString();
  const key = nameKey(name);
  if (nameProblem(name) === undefined) must(isServable(name), "what has no problem can be served");
  if (!isServable(name)) return;
  must(key.length <= 254, "255 octets with the root");
  let at = 0;
  for (; at < key.length; at += key.charCodeAt(at) + 1) must(key.charCodeAt(at) > 0, "no empty label");
  must(at === key.length, "labels fill the key");
  must(/^[!-~]+$/.test(keyName(key)), "text of it is plain");
});
