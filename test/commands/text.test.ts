/** What a command prints: templates, tables, outlines, events, suggestions. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readEvents } from "../../src/commands/client/event-stream.ts";
import { duration } from "../../src/commands/status.ts";
import { closest } from "../../src/commands/text/closest.ts";
import { outline } from "../../src/commands/text/outline.ts";
import { formatRows } from "../../src/commands/text/output-format.ts";
import { plain, plainJson } from "../../src/commands/text/plain.ts";
import { template } from "../../src/commands/text/template.ts";
import { UsageError } from "../../src/commands/usage.ts";
import { text } from "../support/fake-agent.ts";

const VALUE = {
  id: "a",
  name: "Web",
  n: 0,
  list: ["x", "y"],
  empty: [],
  labels: { "a.b": "1", Tier: "front" },
  nested: [{ name: "p", port: 80 }, { name: "q" }],
  evil: "\u001b[31m\n",
};

describe("templates", () => {
  test.each([
    ["", ""],
    ["plain", "plain"],
    ["{{.id}}/{{.ID}}/{{ .Name }}", "a/a/Web"],
    ["{{.list}} {{.n}} {{.nothing}}|{{.nested.deeper}}", "[x y] 0 |"],
    ['{{json .list}} {{.list | json}} {{join .list ", "}}', '["x","y"] ["x","y"] x, y'],
    ['{{.Label "a.b"}} {{.Label "tier"}} {{index .labels "Tier"}} {{index .list 1}}', "1  front y"],
    ["{{upper .name}} {{.name | lower | len}} {{len .labels}}", "WEB 3 2"],
    ["{{range .nested}}{{.name}}={{.port}};{{end}}", "p=80;q=;"],
    ["{{range .empty}}x{{else}}none{{end}}", "none"],
    ["{{if .n}}yes{{else}}no{{end}}{{if .list}}yes{{end}}{{if .empty}}yes{{end}}", "noyes"],
    ['{{if eq .name "Web"}}{{if not .n}}both{{end}}{{end}}{{if ne .name "Web"}}x{{end}}', "both"],
    ["a {{- .id -}} b", "aab"],
    ["{{println .id .name}}.", "a Web\n."],
    ["{{.evil}}", "\\u001b[31m\\u000a"],
    ['{{true}} {{3}} {{"}}"}}', "--format: {{\"}}: it can't be read"],
    ["}} {", "}} {"],
    ["{{.name", "--format: {{{{}}: there is no }} to it"],
    [
      "{{name}}",
      "--format: {{name}}: there is no function name; there are json, join, len, upper, lower, index, println, eq, ne, not, value",
    ],
    ["{{.a b}}", "--format: {{.a b}}: .a is no function"],
    ["{{if .a}}", "--format: {{if .a}}: there is no {{end}} to it"],
    ["{{end}}", "--format: {{end}}: there is nothing that it ends"],
    ["{{if .a}}{{else}}{{else}}{{end}}", "--format: {{else}}: there is nothing that it ends"],
    ["{{}}", "--format: {{}}: there is nothing in it"],
    ["{{.a |}}", "--format: {{.a |}}: there is nothing in it"],
    ["{{json}}", "--format: {{json}}: what of? {{json .}} is an example"],
    ["{{(.a)}}", "--format: {{(.a)}}: no brackets here: range, index and | do"],
    ["{{$x}}", "--format: {{$x}}: $x is no field; fields begin with a dot"],
  ])("%j is %j", (given, expected) => {
    expect(attempt(() => template(given)(VALUE))).toBe(expected);
  });

  test.each([
    [64, "x"],
    [65, "--format: {{if .id}}: is nested more than 64 levels deep"],
    [30_000, "--format: {{if .id}}: is nested more than 64 levels deep"],
  ])("%d levels: %s", (levels, expected) => {
    const nested = `${"{{if .id}}".repeat(levels)}x${"{{end}}".repeat(levels)}`;
    expect(attempt(() => template(nested)(VALUE))).toBe(expected);
  });

  test("anything is a text or a UsageError", () => {
    const piece = fc.constantFrom(
      "{{",
      "}}",
      ".a",
      "json",
      "|",
      '"',
      "(",
      "range ",
      "if ",
      "else",
      "end",
      " ",
      "-",
      "x",
      "\\",
    );
    fc.assert(
      fc.property(
        fc.array(piece).map((pieces) => pieces.join("")),
        (given) => {
          expect(typeof attempt(() => template(given)(VALUE))).toBe("string");
        },
      ),
    );
  });
});

function attempt(act: () => string): string {
  try {
    return act();
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

describe("rows", () => {
  const columns = [
    { name: "ID", head: "THE ID", of: ({ id }: { id: string }) => id },
    { name: "Long", head: "LONG", of: ({ id }: { id: string }) => id.repeat(3) },
    { name: "Hidden", head: "HIDDEN", of: () => "h", hidden: true },
  ];
  test.each([
    [undefined, "THE ID  LONG\na       aaa\nbb      bbbbbb"],
    ["", "THE ID  LONG\na       aaa\nbb      bbbbbb"],
    ["json", '{"id":"a"}\n{"id":"bb"}'],
    ["{{.Long}}-{{.Hidden}}", "aaa-h\nbbbbbb-h"],
    ["table {{.Hidden}}\\t{{.ID}}\\t{{json .id}}", 'HIDDEN  THE ID  THE ID\nh       a       "a"\nh       bb      "bb"'],
    ["{{json .}}\\n", '{"id":"a"}\n\n{"id":"bb"}\n'],
    ["{{.id}}{{range .id}}{{.whatever}}{{end}}", "a\nbb"],
    ["{{.Lnog}}", "--format: there is no field .Lnog; did you mean .Long?"],
    ["{{.zzzzzz}}", "--format: there is no field .zzzzzz; there are .ID .Long .Hidden .id"],
  ])("%j", (format, expected) => {
    expect(attempt(() => formatRows([{ id: "a" }, { id: "bb" }], columns, format))).toBe(expected);
  });
});

test("an outline", () => {
  const value = {
    ...{ name: "web", found: true, none: null, list: [1, 2] },
    deep: { a: { b: "c" }, mixed: [{ x: 1, y: [{ z: 2 }] }, "text"] },
    rows: [{ a: 1 }, { b: "\u0007" }],
  };
  expect(outline(value).join("\n")).toBe(text`
    name   web
    found  yes
    list   1 2
    deep
      a
        b  c
      mixed
        - x  1
          y
            Z
            2
        - text
    rows
      A  B
      1
         \\u0007
  `);
});

test.each([
  [0, "0 s"],
  [59.9, "59 s"],
  [3_600, "1 h"],
  [90_061, "1 d 1 h"],
  [61, "1 min 1 s"],
])("%d seconds", (seconds, said) => expect(duration(seconds)).toBe(said));

test.each([
  ["wbe", "web"],
  ["WEB", "web"],
  ["clint", "client"],
  ["clientx", "client"],
  ["zzz", undefined],
  ["w", undefined],
  ["", undefined],
])("%s: did you mean %s?", (typed, like) => {
  expect(closest(typed, ["web", "client", "database"])).toBe(like);
});

test("nothing steers a terminal", () => {
  const steers = /(?!\n)\p{Cc}|[\u2028-\u202e\u2066-\u2069]/u;
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (given) => {
      expect(plain(given)).not.toMatch(steers);
      expect(plainJson({ [given]: [given] }, 2)).not.toMatch(steers);
      expect(JSON.parse(plainJson({ [given]: [given] }))).toEqual({ [given]: [given] });
    }),
  );
});

describe("server-sent events", () => {
  const STREAM =
    "id: 1\nevent: a\ndata: x\ndata:y\n\n: comment\n\ndata: \u00e9\r\n\r\nid\nevent: b\nretry: 5\n\ndata\n\ndata: cut";
  const EVENTS = [
    { id: "1", event: "a", data: "x\ny" },
    { id: "1", event: "message", data: "\u00e9" },
    { id: "", event: "message", data: "" },
  ];

  test("in any pieces", async () => {
    const octets = new TextEncoder().encode(STREAM);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(octets.length)), async (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), octets.length];
        const pieces = (async function* () {
          for (let i = 1; i < places.length; i++) yield octets.subarray(places[i - 1], places[i]);
        })();
        expect(await all(readEvents(pieces))).toEqual(EVENTS);
      }),
    );
  });
});

async function all<T>(of: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of of) items.push(item);
  return items;
}
