import { expect, test } from "vitest";
import { addressBytes } from "../../src/model/address.ts";
import { OWN_STYLE, writeAnswer } from "../../src/wire/answer.ts";
import { parseQuery, Query } from "../../src/wire/query.ts";
import { rrset } from "../../src/wire/rrset.ts";
import { query } from "../support/packets.ts";

test("1 500 records take under 5 ms", () => {
  const set = rrset(
    1,
    600,
    Array.from({ length: 1500 }, (_, i) => addressBytes(`10.0.${i >> 8}.${i & 255}`)!),
  );
  const packet = query("web A");
  const q = new Query();
  const out = Buffer.alloc(65_535);
  parseQuery(packet, packet.length, q);
  const started = performance.now();
  for (let i = 0; i < 20; i++) writeAnswer(q, out, 65_535, OWN_STYLE, set);
  expect((performance.now() - started) / 20).toBeLessThan(5);
});
