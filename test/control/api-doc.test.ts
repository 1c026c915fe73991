/** docs/api.md: its examples, run one after the other as they stand there, say what they say there. */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { have } from "../system/dig.ts";
import { served } from "./served.ts";

const TEXT = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
const PLACE = "/run/eleven/eleven.sock";
const blocks = (kind: string): string[] =>
  [...TEXT.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\`$`, "gms"))].map(([, text]) => text!);

test.skipIf(!have("curl") || !have("bash"))("its examples", async () => {
  const { socket } = await served();
  const [api = ""] = blocks("sh");
  expect(api).toContain(PLACE);
  for (const example of blocks("console").flatMap((block) => block.split(/^(?=\$ )/m))) {
    const [command = "", ...answer] = example.split("\n");
    const script = `${api.replace(PLACE, socket)}\n${command.slice(2)}`;
    const { stdout } = await promisify(execFile)("bash", ["-c", script]);
    expect(`${command}\n${stdout}`).toBe([command, ...answer].join("\n"));
  }
});
