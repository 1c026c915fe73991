import fc from "fast-check";
import { expect, test } from "vitest";
import { GONE, SAME, type ScopePatch } from "../../src/scoping/patch.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { chunks } from "../../src/server/worker/chunks.ts";

const record = fc.integer({ min: 0, max: 3 }).map((n) => [1, 5, 1, 4, String.fromCharCode(10, 0, 0, n)]);
const entry = fc.oneof(
  { weight: 3, arbitrary: fc.array(record, { maxLength: 2 }).map((sets) => [sets.length, ...sets.flat()]) },
  { weight: 2, arbitrary: fc.constant([SAME]) },
  { weight: 1, arbitrary: fc.constant([GONE]) },
);

test("a patch in parts, applied in order, is the patch", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), entry), { minLength: 1, maxLength: 80 }),
      (entries) => {
        const first = [1, 1, 5, 1, 4, "\x0a\x00\x00\x09"]; // SAME needs something before it
        const names = [
          ["n", "\x01x", ...first],
          ...entries.map(([k, e]) => ["n", `\x02k${k}`, ...e]),
        ].flat() as string[];
        const patch: ScopePatch = {
          revision: 7,
          names,
          zones: [{ id: "n", suffix: "\x01n" }],
          scopes: [
            {
              id: "s",
              zones: ["n"],
              links: [],
              upstreams: [],
              internal: false,
              ndots: false,
              subnets: [],
              compat: "none",
            },
          ],
          removedScopes: [],
        };
        const parts = chunks(patch, 12);
        if (names.length > 30) expect(parts.length).toBeGreaterThan(1);
        const [whole, inParts] = [new Tables(), new Tables()];
        whole.apply(patch);
        for (const part of parts) inParts.apply(part);
        for (let k = 0; k <= 30; k++) {
          const key = `\x02k${k}`;
          expect(inParts.scope("s")!.lookup(key, 1)).toEqual(whole.scope("s")!.lookup(key, 1));
        }
        expect(inParts.revision).toBe(7);
      },
    ),
  );
});
