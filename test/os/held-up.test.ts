import { expect, test } from "vitest";
import { HeldUp } from "../../src/os/held-up.ts";

test("a namespace that held up a tool is known until a tool ends there, or it is gone", () => {
  const there = new Set(["/a", "/b", "/c"]);
  const heldUp = new HeldUp((path) => there.has(path));
  for (const path of there) heldUp.add(path);
  heldUp.delete("/b");
  expect(["/a", "/b", "/c"].map((path) => heldUp.has(path))).toEqual([true, false, true]);
  there.delete("/a");
  heldUp.add("/c");
  expect(["/a", "/c"].map((path) => heldUp.has(path))).toEqual([false, true]);
});

test("however many come and go, it knows of no more than there are", () => {
  let now = "";
  const heldUp = new HeldUp((path) => path === now);
  for (let i = 0; i < 1_000; i++) {
    now = `/netns/${i}`;
    heldUp.add(now);
  }
  expect(heldUp.size).toBe(1);
});
