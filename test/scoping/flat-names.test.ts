import fc from "fast-check";
import { expect, test } from "vitest";
import { NamesReader, NamesWriter } from "../../src/scoping/flat-names.ts";
import { inParts, type ScopePatch } from "../../src/scoping/patch.ts";
import { Tables } from "../../src/scoping/tables.ts";

/** An A record; the number tells them apart. */
const record = (n: number) => ({ type: 1, ttl: 5, count: 1, size: 4, data: String.fromCharCode(10, 0, 0, n) });
const entry = fc.oneof(
  { weight: 3, arbitrary: fc.array(fc.nat(3).map(record), { maxLength: 2 }) },
  { weight: 2, arbitrary: fc.constant("same" as const) },
  { weight: 1, arbitrary: fc.constant("gone" as const) },
);

test("names come out of the flat form as they went in", () => {
  const out = new NamesWriter();
  out.records("n", "\x03web", [record(1), { ...record(2), type: 28 }], true);
  out.same("m", "\x01w");
  out.gone("n", "\x03old");
  out.records("n", "\x05known", [], false);
  const reader = new NamesReader(out.names);
  const seen: string[] = [];
  while (reader.next()) {
    const { network, key, gone, same, service, count } = reader;
    if (gone || same) expect(service).toBe(false);
    const types = Array.from({ length: count }, (_, i) => `${reader.set(i).type}/${reader.set(i).data.charCodeAt(3)}`);
    seen.push(`${network} ${key.slice(1)} ${gone ? "gone" : same ? "same" : `${service} ${types}`}`.trim());
  }
  expect(seen).toEqual(["n web true 1/1,28/2", "m w same", "n old gone", "n known false"]);
});

/** "a 1, b same, c gone": names, the records they have, or why they have none. */
function textOf({ names }: ScopePatch): string {
  const said: string[] = [];
  for (const reader = new NamesReader(names); reader.next(); )
    said.push(`${reader.key.slice(1)} ${reader.gone ? "gone" : reader.same ? "same" : reader.count}`);
  return said.join(", ");
}

test.each([
  ["as few as there may be: the patch itself", 23, ["a 1, b same, c gone, d same, e same, x 0"]],
  ["one less: what comes behind the last is empty", 22, ["a 1, b same, c gone, d same, e same, x 0", ""]],
  [
    "names are whole; what is the same is written out once in each part",
    12,
    ["a 1, b same, c gone", "d 1, e same, x 0", ""],
  ],
  ["a part of which a name is more than all", 3, ["a 1", "b 1", "c gone", "d 1", "e 1", "x 0", ""]],
])("parts: %s", (_name, most, expected) => {
  const out = new NamesWriter();
  out.records("n", "\x01a", [record(1)], false);
  out.same("n", "\x01b");
  out.gone("n", "\x01c");
  out.same("n", "\x01d");
  out.same("n", "\x01e");
  out.records("n", "\x01x", [], false);
  const patch: ScopePatch = {
    revision: 1,
    names: out.names,
    zones: [{ id: "n", suffix: "\x01n" }],
    scopes: [],
    removedScopes: ["s"],
  };
  const parts = inParts(patch, most);
  expect(parts.map(textOf)).toEqual(expected);
  const before = parts.slice(0, -1).map(({ zones, scopes, removedScopes }) => [zones, scopes, removedScopes]);
  expect(before).toEqual(before.map(() => [[], [], []]));
  expect(parts.at(-1)).toMatchObject({ zones: patch.zones, removedScopes: ["s"] });
  expect(parts[0] === patch).toBe(parts.length === 1);
});

test("a patch in parts, applied in order, is the patch", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), entry), { minLength: 1, maxLength: 80 }),
      (entries) => {
        const out = new NamesWriter();
        out.records("n", "\x01x", [record(9)], false); // "same" needs something before it
        for (const [k, what] of entries) {
          const key = `\x02k${k}`;
          if (what === "gone") out.gone("n", key);
          else if (what === "same") out.same("n", key);
          else out.records("n", key, what, false);
        }
        const { names } = out;
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
        const parts = inParts(patch, 12);
        if (names.length > 30) expect(parts.length).toBeGreaterThan(1);
        const [whole, cut] = [new Tables(), new Tables()];
        whole.apply(patch);
        for (const part of parts) cut.apply(part);
        for (let k = 0; k <= 30; k++) {
          const key = `\x02k${k}`;
          expect(cut.scope("s")!.lookup(key, 1)).toEqual(whole.scope("s")!.lookup(key, 1));
        }
        expect(cut.revision).toBe(7);
      },
    ),
  );
});
