/**
 * What nft prints of our table, in a container's namespace anything: no exception, and whatever is made of it for nft consists of lines
 * that we could have written.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { NOTHING, otherElements, serverParts } from "../../src/lb-programmer/backends/nftables/parts.ts";
import { script } from "../../src/lb-programmer/backends/nftables/script.ts";
import { understand } from "../../src/lb-programmer/backends/nftables/understand.ts";
import { diff, normal } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbState } from "../../src/lb-programmer/state.ts";
import { randomState } from "../lb-programmer/random-state.ts";
import { damaged, swapped, text } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";
import { printedByNft } from "./nft-json.ts";

const MOST = 10_000;

const CHAIN = "(?:s-\\d{3,7}|t-\\d{3,7}-[0-9a-f._]{2,45})";
const NAME = "[a-z-]{3,15}[46]?(?:-\\d{1,5})?";
const WORD = '(?:[0-9a-f.:]{1,45}(?:/\\d{1,3})?|"[^\\s/:"\';{}\\\\]{1,15}")';
const KEY = `${WORD}(?: \\. ${WORD}){0,2}`;
const COMMENT = '(?: comment "[ !#-~]{1,124}")?';
const ELEMENT = `${KEY}${COMMENT}(?: : (?:goto ${CHAIN}|${KEY}))?`;
const LINE = new RegExp(
  `^(?:${[
    `(?:add|delete) element inet eleven ${NAME} \\{ ${ELEMENT}(?:, ${ELEMENT})* \\}`,
    `(?:flush|add|delete) chain inet eleven ${CHAIN}`,
    `delete set inet eleven c-\\d{3,7}-[0-9a-f._]{2,45}`,
    `add set inet eleven c-\\d{3,7}-[0-9a-f._]{2,45} \\{ type ipv[46]_addr; size 65535; flags dynamic,timeout; timeout \\d{1,5}s; \\}`,
    `add map inet eleven (?:slots[46]|turns)-\\d{1,5} \\{ typeof numgen inc mod 2 : (?:verdict|ip6? daddr); \\}`,
    `add rule inet eleven ${CHAIN} [a-z0-9 @._:{}-]+ comment "[0-9a-f]{8}"`,
  ].join("|")})$`,
);

/** All that is ever written for nft of a state: what takes it away, and what makes it. */
function scriptsOf(state: LbState): string[] {
  const parts = [...state.servers.map(serverParts), { ...NOTHING, elements: otherElements(state) }];
  const away = script(parts.map((before) => ({ before, after: NOTHING })));
  return [away, script(parts.map((after) => ({ before: NOTHING, after })))].flatMap((t) =>
    t.split("\n").filter(Boolean),
  );
}

function holds(input: Uint8Array): void {
  const state = understand(Buffer.from(input).toString("utf8"), MOST);
  if (state === undefined) return;
  for (const line of scriptsOf(state)) if (!LINE.test(line)) throw new Error(`not ours: ${line.slice(0, 200)}`);
  for (const op of diff(state, EMPTY))
    if ("address" in op && !/^[^\s/:"';{}\\]{1,15}$/.test(op.address.device)) throw new Error("no device");
}

const STATES = fc.sample(randomState({ device: "dev0" }), 100);

test.each(STATES.slice(0, 20).map((state, i) => [i, state] as const))(
  "as it was written, it is understood: %i",
  (_, state) => {
    const understood = understand(printedByNft(state), MOST);
    expect(understood && normal(understood)).toEqual(normal({ ...state, sysctls: {} }));
  },
);

const listing = fc.constantFrom(...STATES.map(printedByNft));

/** What a container could put in the place of a word. */
const HOSTILE = fc.constantFrom(
  ...[
    '"lo\\nnetns exec x"',
    '"}\\ninclude \\"/\\""',
    '"../../.."',
    '"rr 0 ml %zz"',
    '"rr 0 ml a\\nb"',
    "4294967295",
    "-1",
    "1e999",
  ],
  ...[
    '"10.0.1.999"',
    '"goto"',
    '{"goto":{"target":"s-1; flush ruleset"}}',
    "null",
    "[]",
    "{}",
    '"s-256; x"',
    '"::"',
    "255",
    "0",
    "65536",
  ],
);

fuzz("nft-listing", damaged(text(listing)), holds);
fuzz("nft-swapped", text(swapped(listing, /"[^"]*"|\d+/g, HOSTILE)), holds);

/** Words of JSON and of nft, put together anyhow: what no damage of octets makes of a listing. */
const words = fc.constantFrom(
  ...'{ } [ ] , : " null 1 256 4294967295 -1 1e999 nftables map set chain rule elem concat prefix goto target name val comment'.split(
    " ",
  ),
  ...[
    '"nftables":[',
    '{"map":{"name":"servers4","elem":[',
    '[{"elem":{"val":256,"comment":"rr 0 ml x"}},"10.0.0.1"]',
    "]}}",
    "\\n",
    "\\u0000",
    "constructor",
    "__proto__",
  ],
);
fuzz("nft-json", text(fc.array(words, { maxLength: 60 }).map((all) => all.join(""))), holds);
