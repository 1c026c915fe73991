/** nf_tables as a container's namespace has them: nothing throws, and what is read of values can be written again. */
import fc from "fast-check";
import { parseAttributes, parseMessages } from "../../src/os/netlink/read.ts";
import { parseChain, parseRule, parseSet } from "../../src/os/nftables/attributes.ts";
import { writeBatch } from "../../src/os/nftables/batch.ts";
import { octetsOf, sizeOf, TYPES, type TypeName, textOf } from "../../src/os/nftables/datatype.ts";
import { elementsOf, parseElements } from "../../src/os/nftables/element.ts";
import { next, rangeOf, rangeText } from "../../src/os/nftables/range.ts";
import type { Change, NamedSet } from "../../src/os/nftables/types.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { tableOf } from "../support/nftables-table.ts";
import { damaged } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";

const changes: readonly Change[] = tableOf(
  parseState(`server web/mynet/4 10.0.1.4 mark 256 local sh affinity 60
      10.0.1.5 1
      10.0.1.6 2
    server web/mynet/6 fd00:1::4 mark 258 published tcp/8080 rr
      fd00:1::5 1
      fd00:1::6 1
    snat 10.0.1.0/24 to 10.0.1.3
    redirect 10.0.0.4 tcp 8080 to 80
    published tcp 8080 to 172.18.0.2 8080 over docker_gwbridge`),
);
const messages = parseMessages(writeBatch("eleven", changes).messages.octets).map(({ payload }) =>
  Buffer.from(payload),
);
const sets: readonly NamedSet[] = changes.flatMap((change) => (change.kind === "set.add" ? [change.set] : []));

fuzz("nf_tables objects", damaged(fc.constantFrom(...messages)), (octets) => {
  const message = Buffer.from(octets).subarray(4);
  const from = parseAttributes(message);
  void [parseChain(from, "eleven"), parseSet(from, "eleven"), parseRule(from, "eleven")];
  const set = sets[octets.length % sets.length]!;
  for (const { key } of elementsOf(set, parseElements(message, set)))
    if (typeof key !== "string") throw new Error("no key");
});

const names = Object.keys(TYPES) as TypeName[];
const values = fc
  .tuple(fc.array(fc.nat(names.length - 1), { minLength: 1, maxLength: 4 }), fc.uint8Array({ maxLength: 64 }))
  .map(([types, octets]) => Uint8Array.from([types.length, ...types, ...octets]));

fuzz("nf_tables values", values, (input) => {
  const key = [...input.subarray(1, 1 + input[0]!)].map((i) => names[i % names.length]!);
  const octets = Buffer.from(input.subarray(1 + input[0]!)).toString("latin1");
  const sized = octets.slice(0, sizeOf(key)).padEnd(sizeOf(key), "\0");
  const text = textOf(key, sized)!;
  if (key.includes("ifname")) return; // not every name has a text that can be told from others
  const again = octetsOf(key, text);
  if (textOf(key, again) !== text) throw new Error(`${text} is read as ${textOf(key, again)}`);
  if (key.length === 1 && again !== sized) throw new Error(`${text} is written otherwise`);
  if (key.length > 1 || TYPES[key[0]!].host || !("id" in TYPES[key[0]!])) return; // not in interval sets
  const last = `${again.slice(0, -1)}\xff`;
  const range = rangeText(key, again, next(last))!;
  const [first, end] = rangeOf(key, range);
  if (first !== again || end !== last) throw new Error(`${range} is another range`);
});
