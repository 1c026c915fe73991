/** The README's first program: one container on one network with one sandbox, in eight lines, `import` included. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createNode, type ElevenNode } from "../../src/index.ts";
import { askUdp } from "../support/ask.ts";
import { query, told } from "../support/packets.ts";

/** As people copy it; `createNode` is what it imports. */
const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const PROGRAM = /```ts\n([^`]*)```/.exec(README)![1]!.trim();

test("eight lines set up what answers", async () => {
  const [first, ...lines] = PROGRAM.split("\n");
  expect([first, lines.length]).toEqual(['import { createNode } from "eleven-dns";', 7]);
  const run = new Function("createNode", `return (async () => {${lines.join("\n")}\nreturn node; })()`);
  const node = (await run(createNode)) as ElevenNode;
  const reply = await askUdp(node.listening("web")[0]!, query("web A"));
  await node.close();
  expect(told(reply!).answers).toEqual(["web 5 A 10.0.0.2"]);
});
