import { expect, test } from "vitest";
import { harmless, type Notice } from "../../src/model/notice.ts";

test("who is told may throw, or be nobody", () => {
  const said: unknown[] = [];
  const told: Notice = (...all) => {
    said.push(all);
    throw new Error("full");
  };
  harmless(told)("port 53 is taken", "info");
  harmless(undefined)("nobody hears");
  expect(said).toEqual([["port 53 is taken", "info"]]);
});
