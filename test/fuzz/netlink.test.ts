/** Netlink messages: whatever is in them, nothing throws, and nothing is read outside. */
import fc from "fast-check";
import { parseEntry } from "../../src/os/netlink/conntrack.ts";
import { unpackCounted, unpackService } from "../../src/os/netlink/ipvs.ts";
import { parseGeneration } from "../../src/os/netlink/nfnetlink.ts";
import { attributesIn, parseAttributes, parseMessages, parseRefusal } from "../../src/os/netlink/read.ts";
import { parseAddress, parseRoute } from "../../src/os/netlink/rtnetlink.ts";
import { MessageWriter } from "../../src/os/netlink/write.ts";
import { damaged } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";

interface Node {
  readonly type: number;
  readonly value: Uint8Array | readonly Node[];
}
const { node } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.record({
    type: fc.oneof(fc.nat(30), fc.nat(0x3fff)),
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        ...[1, 2, 4, 16].map((length) => fc.uint8Array({ minLength: length, maxLength: length })),
      ),
      fc.array(tie("node"), { maxLength: 5 }),
    ),
  }),
}));

function write(to: MessageWriter, { type, value }: Node): void {
  if (value instanceof Uint8Array) to.raw(type, value);
  else to.nested(type, () => (value as readonly Node[]).forEach((child) => void write(to, child)));
}

const own = fc.constantFrom(4, 8, 12, 16).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
const message = fc.record({
  type: fc.oneof(fc.constantFrom(2, 3, 16, 20, 24, 0x100, 0xa0f), fc.nat(65_535)),
  flags: fc.oneof(fc.constantFrom(0, 2, 0x10, 0x100, 0x200, 0x300), fc.nat(65_535)),
  own,
  attributes: fc.array(node, { maxLength: 8 }),
});
const datagram = fc.array(message, { minLength: 1, maxLength: 4 }).map((all) => {
  const to = new MessageWriter();
  for (const { type, flags, own, attributes } of all)
    to.message(type, flags, own, () => {
      for (const attribute of attributes) write(to, attribute);
    });
  return Uint8Array.from(to.octets);
});

/** Made beforehand: making one costs more than reading it. */
const sound = fc.constantFrom(...fc.sample(datagram, 500));

const inside = (part: Buffer | undefined, whole: Buffer): void => {
  const outside =
    part !== undefined &&
    (part.buffer !== whole.buffer ||
      part.byteOffset < whole.byteOffset ||
      part.byteOffset + part.length > whole.byteOffset + whole.length);
  if (outside) throw new Error("octets from outside");
};

fuzz("netlink messages", damaged(sound), (octets) => {
  const whole = Buffer.from(octets);
  for (const message of parseMessages(whole)) {
    inside(message.payload, whole);
    const refusal = parseRefusal(message);
    if (refusal !== undefined && !(refusal.errno > 0 && /^[ -~]{0,200}$/.test(refusal.why)))
      throw new Error(`not for a log: ${refusal.errno} ${refusal.why}`);
  }
});

fuzz("netlink attributes", damaged(sound), (octets) => {
  const whole = Buffer.from(octets).subarray(20);
  for (const [type, value] of attributesIn(whole)) {
    inside(value, whole);
    const all = parseAttributes(whole);
    inside(all.raw(type), whole);
    void [
      all.u8(type),
      all.u16(type),
      all.u32(type),
      all.be16(type),
      all.be32(type),
      all.u64(type),
      all.be64(type),
      all.text(type),
      all.address(type),
    ];
    inside(all.nested(type).nested(1).raw(1), whole);
  }
});

fuzz("netlink answers", damaged(sound), (octets) => {
  const payload = Buffer.from(octets).subarray(16);
  const attributes = payload.subarray(4);
  const wanted = new Map([
    ["", ""],
    [attributes.toString("latin1", 12, 16), "10.0.0.1"],
  ]);
  void [parseEntry(attributes, wanted), parseGeneration(payload), unpackService(attributes), unpackCounted(attributes)];
  void [parseAddress(payload, () => "d0"), parseRoute(payload, 2), parseRoute(payload, 10)];
});
