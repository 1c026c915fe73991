import fc from "fast-check";
import { expect, test } from "vitest";
import { Frames, framed } from "../../src/wire/frames.ts";

test("messages come out as they went in, however the stream is cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(framed));
      const got: string[] = [];
      const frames = new Frames();
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = at + cuts[i % cuts.length]!;
        frames.pushAndTake(stream.subarray(at, end), (m) => got.push(m.toString("hex")) > 0);
        at = end;
      }
      expect(got).toEqual(sent.map((m) => Buffer.from(m).toString("hex")));
    }),
  );
});

test("once told to stop, nothing more comes of a chunk", () => {
  let count = 0;
  new Frames().pushAndTake(Buffer.alloc(65_536), () => ++count < 3);
  expect(count).toBe(3);
});

test("what `next` gives is written over by what comes next; what is taken is a copy", () => {
  const frames = new Frames();
  const taken: Buffer[] = [];
  const take = (message: Buffer) => taken.push(message) > 0;
  frames.pushAndTake(framed(Buffer.from("first")), take);
  frames.pushAndTake(framed(Buffer.from("other")), take);
  expect(taken.map(String)).toEqual(["first", "other"]);
});
