import fc from "fast-check";
import { expect, test } from "vitest";
import { Deframer, framed } from "../../../src/forwarder/io/frame.ts";

test("messages come out as they went in, however the stream is cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(framed));
      const got: string[] = [];
      const deframer = new Deframer((m) => got.push(m.toString("hex")) > 0);
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = at + cuts[i % cuts.length]!;
        deframer.push(stream.subarray(at, end));
        at = end;
      }
      expect(got).toEqual(sent.map((m) => Buffer.from(m).toString("hex")));
    }),
  );
});

test("once told to stop, nothing more comes of a chunk", () => {
  let count = 0;
  new Deframer(() => ++count < 3).push(Buffer.alloc(65_536));
  expect(count).toBe(3);
});
