/** JSON, and where a text stops being that: what parses it says so in one release of node, and not in the next. */

/** Throws an Error, its message being line, column and what would be right there. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const { at, wanted } = faultIn(text);
    const before = text.slice(0, at).split("\n");
    const what = at >= text.length ? "it ends too early: there should be" : "there should be";
    throw new Error(`line ${before.length}, column ${before.at(-1)!.length + 1}: ${what} ${wanted}`);
  }
}

const WANTED = {
  value: "a value",
  first: 'a value or "]"',
  key: "a key in double quotes",
  firstKey: 'a key in double quotes or "}"',
  colon: '":"',
  next: '"," or the end of what is open',
  end: "nothing more",
} as const;

/** The first place where the text can't go on to be JSON. */
function faultIn(text: string): { readonly at: number; readonly wanted: string } {
  let wants: keyof typeof WANTED = "value";
  const open: ("{" | "[")[] = [];
  for (let at = 0; ; ) {
    while (at < text.length && " \t\n\r".includes(text[at]!)) at++;
    const fault = { at, wanted: WANTED[wants] };
    const sign = text[at];
    const closes = sign === "}" || sign === "]";
    if (closes) {
      const fits = wants === "next" || wants === (sign === "}" ? "firstKey" : "first");
      if (!fits || open.pop() !== (sign === "}" ? "{" : "[")) return fault;
      at++;
      wants = open.length === 0 ? "end" : "next";
    } else if (wants === "end") return fault;
    else if (wants === "colon" || wants === "next") {
      if (sign !== (wants === "colon" ? ":" : ",")) return fault;
      at++;
      wants = wants === "colon" || open.at(-1) === "[" ? "value" : "key";
    } else if (sign === '"') {
      const end = stringEnd(text, at);
      if (end < 0) return { at: -end, wanted: "a string that ends, on its line and with escapes that there are" };
      at = end;
      const isKey: boolean = wants === "key" || wants === "firstKey";
      wants = isKey ? "colon" : open.length === 0 ? "end" : "next";
    } else if (wants === "key" || wants === "firstKey") return fault;
    else if (sign === "{" || sign === "[") {
      open.push(sign);
      at++;
      wants = sign === "{" ? "firstKey" : "first";
    } else {
      WORD.lastIndex = at;
      const word = WORD.exec(text)?.[0];
      if (word === undefined) return fault;
      at += word.length;
      wants = open.length === 0 ? "end" : "next";
    }
  }
}

const WORD = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;

/** Behind the closing quote; where it is wrong, as a negative number. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const sign = text[at]!;
    if (sign === '"') return at + 1;
    if (sign < " ") return -at;
    if (sign !== "\\") continue;
    ESCAPE.lastIndex = at;
    const said = ESCAPE.exec(text)?.[0];
    if (said === undefined) return -at;
    at += said.length - 1;
  }
  return -text.length;
}

const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
