/**
 * Go's templates in the small, as docker users write them behind --format: read into a tree. What is known: fields, `json`, `join` and
 * the other functions of template.ts, pipes, `if`, `else`, `range`, `end`, and `{{-` and `-}}`.
 */

import { UsageError } from "../usage.ts";
import { plain } from "./plain.ts";

export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly pipe: readonly Call[] }
  | {
      readonly kind: "if" | "range";
      readonly pipe: readonly Call[];
      readonly then: readonly Part[];
      readonly else: readonly Part[];
    };

/** A function with its words; a word alone is the function "value". */
export interface Call {
  readonly name: string;
  readonly words: readonly Word[];
}

export type Word =
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "literal"; readonly value: string | number | boolean };

/** Throws a UsageError that says what is wrong where. */
export function parseTemplate(text: string, functions: readonly string[]): Part[] {
  const pieces = [...text.matchAll(/\{\{-?\s*([\s\S]*?)\s*-?\}\}|(?:(?!\{\{)[\s\S])+|\{\{/g)];
  const parser = new Parser(pieces, functions);
  const parts = parser.until([]);
  if (parser.ended !== undefined) throw wrong(parser.ended, "there is nothing that it ends");
  return parts;
}

/** What walks over the tree is safe up to here. */
const DEEPEST = 64;

class Parser {
  readonly #pieces: readonly RegExpExecArray[];
  readonly #functions: readonly string[];
  #at = 0;
  #depth = 0;
  /** What the last `until` stopped at: "end" or "else"; undefined at the text's end. */
  ended: string | undefined;

  constructor(pieces: readonly RegExpExecArray[], functions: readonly string[]) {
    this.#pieces = pieces;
    this.#functions = functions;
  }

  until(ends: readonly string[], whose = ""): Part[] {
    const parts: Part[] = [];
    for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
      const [whole, action] = piece;
      if (whole === "{{") throw wrong("{{", "there is no }} to it");
      if (action === undefined) {
        parts.push({ kind: "text", text: this.#trimmed(whole) });
      } else if (action === "end" || action === "else") {
        this.ended = action;
        if (!ends.includes(action)) throw wrong(action, "there is nothing that it ends");
        return parts;
      } else parts.push(this.#action(action));
    }
    this.ended = undefined;
    if (ends.length > 0) throw wrong(whose, "there is no {{end}} to it");
    return parts;
  }

  #action(action: string): Part {
    const [, kind, rest] = /^(if|range)\s+([\s\S]*)$/.exec(action) ?? [];
    if (rest === undefined) return { kind: "value", pipe: this.#pipe(action) };
    if (++this.#depth > DEEPEST) throw wrong(action, `is nested more than ${DEEPEST} levels deep`);
    const pipe = this.#pipe(rest);
    const then = this.until(["end", "else"], action);
    const otherwise = this.ended === "else" ? this.until(["end"], action) : [];
    this.#depth--;
    return { kind: kind as "if" | "range", pipe, then, else: otherwise };
  }

  #pipe(text: string): Call[] {
    const words = text.match(WORDS) ?? [];
    if (words.some((word) => /^[^"].*[()]|^[()]/.test(word)))
      throw wrong(text, "no brackets here: range, index and | do");
    if (words.join("") !== text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1")) throw wrong(text, "it can't be read");
    const calls: string[][] = [[]];
    for (const word of words) {
      if (word === "|") calls.push([]);
      else calls.at(-1)!.push(word);
    }
    return calls.map((call) => this.#call(call, text));
  }

  #call([first, ...more]: readonly string[], text: string): Call {
    if (first === undefined) throw wrong(text, "there is nothing in it");
    if (this.#functions.includes(first)) return { name: first, words: more.map((word) => wordOf(word, text)) };
    if (/^[a-z]\w*$/i.test(first) && first !== "true" && first !== "false")
      throw wrong(text, `there is no function ${first}; there are ${this.#functions.join(", ")}`);
    const word = wordOf(first, text);
    if (word.kind === "field" && /^labels?$/i.test(word.path.at(-1) ?? "") && more.length === 1)
      // docker's {{.Label "key"}}
      return {
        name: "index",
        words: [{ kind: "field", path: [...word.path.slice(0, -1), "labels"] }, wordOf(more[0]!, text)],
      };
    if (more.length > 0) throw wrong(text, `${first} is no function`);
    return { name: "value", words: [word] };
  }

  #next(): RegExpExecArray | undefined {
    return this.#pieces[this.#at++];
  }

  /** Without the blanks that its neighbours take away. */
  #trimmed(text: string): string {
    const before = this.#pieces[this.#at - 2]?.[0].endsWith("-}}");
    const after = this.#pieces[this.#at]?.[0].startsWith("{{-");
    return (before ? text.trimStart() : text).slice(
      0,
      after ? text.trimEnd().length - text.length || undefined : undefined,
    );
  }
}

const WORDS = /"(?:[^"\\]|\\.)*"|\||[^\s|"]+/g;

function wordOf(word: string, text: string): Word {
  if (word.startsWith('"')) {
    try {
      return { kind: "literal", value: JSON.parse(word) as string };
    } catch {
      throw wrong(text, `${word} is no string`);
    }
  }
  if (word === "true" || word === "false") return { kind: "literal", value: word === "true" };
  if (/^-?\d+$/.test(word)) return { kind: "literal", value: Number(word) };
  if (/^\.$|^(?:\.[\w-]+)+$/.test(word)) return { kind: "field", path: word.split(".").filter((step) => step !== "") };
  throw wrong(text, `${word} is no field; fields begin with a dot`);
}

export const wrong = (text: string, why: string): UsageError => new UsageError(`--format: {{${plain(text)}}}: ${why}`);
