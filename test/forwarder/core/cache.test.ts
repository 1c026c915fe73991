import { describe, expect, test } from "vitest";
import { answerOf } from "../../../src/forwarder/core/answer.ts";
import { Cache, type Entry, freshAnswer, isFresh, isServable, staleAnswer } from "../../../src/forwarder/core/cache.ts";
import type { ForwardRequest } from "../../../src/forwarder/core/types.ts";
import { ReplySurvey, surveyReply } from "../../../src/wire/reply.ts";
import { hex } from "../../support/text.ts";

const Q = "04 70656572 00 0001 0001"; // peer A IN: ends at 22
const QUERY = `1234 0100 0001 0000 0000 0000 ${Q}`;
const a = (ttl: number) => `c00c 0001 0001 ${ttl.toString(16).padStart(8, "0")} 0004 01020304`; // 16 octets
const cname = (ttl: number) => `c00c 0005 0001 ${ttl.toString(16).padStart(8, "0")} 0004 0162 c00c`;
const soa = (ttl: number, minimum: number) =>
  `c00c 0006 0001 ${ttl.toString(16).padStart(8, "0")} 0016 00 00 ${"00000000".repeat(4)} ${minimum.toString(16).padStart(8, "0")}`;
const opt = (options = "") =>
  `00 0029 04d0 00 00 0000 ${(options.length / 2).toString(16).padStart(4, "0")} ${options}`;

const asked = (edns = false, packet = QUERY): ForwardRequest => ({
  packet: hex(packet),
  questionEnd: 22,
  question: "\x04peer\0\x01\0\x01",
  edns,
  dnssecOk: false,
  limit: 512,
  upstreams: [],
  from: "",
  asker: "",
});

/** Puts a reply with these flags, counts and records, and gives back what is kept of it. */
function kept(
  cache: Cache,
  flags: string,
  counts: string,
  records: string,
  { key = "k", now = 0 } = {},
): Entry | undefined {
  const packet = hex(`1234 ${flags} 0001 ${counts} ${Q} ${records}`);
  const survey = new ReplySurvey();
  expect(surveyReply(packet, 22, survey)).toBe(true);
  cache.put(key, answerOf(packet, survey, asked()), survey, now);
  return cache.get(key);
}

describe("how long a reply is kept", () => {
  test.each<[string, string, string, string, number | undefined]>([
    ["an answer: its TTL", "8180", "0001 0000 0000", a(300), 300],
    ["the smallest of them", "8180", "0002 0000 0000", a(300) + a(60), 60],
    ["of other sections, too", "8180", "0001 0000 0001", a(300) + a(60), 60],
    ["a day at most", "8180", "0001 0000 0000", a(86_401), 86_400],
    ["TTL 0: not at all", "8180", "0001 0000 0000", a(0), undefined],
    ["one second", "8180", "0001 0000 0000", a(1), 1],
    ["NXDOMAIN with SOA: its minimum", "8183", "0000 0001 0000", soa(300, 60), 60],
    ["or its TTL", "8183", "0000 0001 0000", soa(60, 300), 60],
    ["a quarter of an hour at most", "8183", "0000 0001 0000", soa(3600, 3600), 900],
    ["NXDOMAIN without SOA: not at all", "8183", "0000 0000 0000", "", undefined],
    ["NXDOMAIN with the type among the answers", "8183", "0001 0001 0000", a(300) + soa(600, 60), 60],
    ["NODATA with SOA", "8180", "0000 0001 0000", soa(300, 60), 60],
    ["NODATA without", "8180", "0000 0000 0000", "", undefined],
    ["an alias to nothing: the alias's TTL, too", "8180", "0001 0001 0000", cname(20) + soa(300, 60), 20],
    ["an alias to nothing without SOA", "8180", "0001 0000 0000", cname(20), undefined],
    ["SERVFAIL", "8182", "0001 0000 0000", a(300), undefined],
    ["REFUSED", "8185", "0000 0001 0000", soa(300, 60), undefined],
  ])("%s", (_name, flags, counts, records, seconds) => {
    const entry = kept(new Cache({}), flags, counts, records, { now: 5_000 });
    if (seconds === undefined) return expect(entry).toBeUndefined();
    const until = 5_000 + seconds * 1000;
    expect(entry).toMatchObject({ storedAt: 5_000, expiresAt: until, retryAt: 5_000 });
    expect([isFresh(entry!, until - 1), isFresh(entry!, until)]).toEqual([true, false]);
    expect([isServable(entry!, until + 86_399_999), isServable(entry!, until + 86_400_000)]).toEqual([true, false]);
  });

  test("a reply that can't be kept supersedes what was there", () => {
    const cache = new Cache({});
    expect(kept(cache, "8180", "0001 0000 0000", a(300))).toBeDefined();
    expect(kept(cache, "8182", "0000 0000 0000", "")).toBeUndefined();
    expect(cache.size).toBe(0);
  });
});

describe("what is handed out", () => {
  const text = (packet: Uint8Array): string => Buffer.from(packet).toString("hex");
  const answer = (flags: string, counts: string, records: string) =>
    text(hex(`1234 ${flags} 0001 ${counts} ${Q} ${records}`));

  test.each<[string, number, number, boolean, string]>([
    ["at once, never authoritative", 0, 300, false, answer("8180", "0001 0000 0000", a(300))],
    ["under a second later", 999, 300, false, answer("8180", "0001 0000 0000", a(300))],
    ["a second later", 1_000, 300, false, answer("8180", "0001 0000 0000", a(299))],
    ["over a day: a day less", 1_000, 86_405, false, answer("8180", "0001 0000 0000", a(86_399))],
    ["with EDNS", 0, 300, true, answer("8180", "0001 0000 0001", a(300) + opt())],
  ])("fresh, %s", (_name, age, ttl, edns, expected) => {
    const entry = kept(new Cache({}), "8580", "0001 0000 0000", a(ttl), { now: 70 })!;
    expect(text(freshAnswer(entry, asked(edns), 70 + age))).toBe(expected);
    expect(text(freshAnswer(entry, asked(edns), 70 + age)), "a second time").toBe(expected);
  });

  test("negative answers say no more than a quarter of an hour", () => {
    const entry = kept(new Cache({}), "8183", "0000 0001 0000", soa(3600, 1800))!;
    expect(text(freshAnswer(entry, asked(), 0))).toBe(answer("8183", "0000 0001 0000", soa(900, 1800)));
  });

  test("the upstream's OPT goes, its error stays for who can read it", () => {
    const entry = kept(new Cache({}), "8180", "0001 0000 0001", a(300) + opt("000f00020012"))!;
    expect(text(freshAnswer(entry, asked(), 0))).toBe(answer("8180", "0001 0000 0000", a(300)));
    expect(text(freshAnswer(entry, asked(true), 0))).toBe(
      answer("8180", "0001 0000 0001", a(300) + opt("000f00020012")),
    );
  });

  test("records behind the OPT record go with it", () => {
    const entry = kept(new Cache({}), "8180", "0001 0000 0002", a(300) + opt() + a(90))!;
    expect([...entry.ttlAt]).toEqual([28]);
    expect(text(freshAnswer(entry, asked(), 1_000))).toBe(answer("8180", "0001 0000 0000", a(89 + 210)));
  });

  test.each([
    ["", opt("000f00020003")],
    ["000f00020012", opt("000f00020003000f00020012")],
  ])("stale, and said to be: after %j", (errors, told) => {
    const entry = kept(new Cache({}), "8180", "0002 0000 0001", a(300) + a(10) + opt(errors))!;
    expect(text(staleAnswer(entry, asked()))).toBe(answer("8180", "0002 0000 0000", a(30) + a(30)));
    expect(text(staleAnswer(entry, asked(true)))).toBe(answer("8180", "0002 0000 0001", a(30) + a(30) + told));
  });
});

describe("bounds", () => {
  const fill = (cache: Cache, keys: readonly string[]) => {
    for (const key of keys) kept(cache, "8180", "0001 0000 0000", a(300), { key });
  };

  test.each([
    [1, "a b c", "c b"], // one in each generation at least
    [2, "a b", "b a"], // one in each generation
    [4, "a b c d", "d c b a"],
    [4, "a b c d e", "e d c"], // two a generation: the third one's goes
    [4, "a b a a c d", "d c b a"], // put again: no second place
  ])("%i entries: of %s remain %s", (entries, put, remain) => {
    const cache = new Cache({ entries });
    fill(cache, put.split(" "));
    const all = [...new Set(put.split(" "))];
    expect(cache.size).toBe(remain.split(" ").length);
    expect(
      all
        .reverse()
        .filter((key) => new Set(remain.split(" ")).has(key))
        .join(" "),
    ).toBe(remain);
    for (const key of all.filter((k) => !remain.split(" ").includes(k))) expect(cache.get(key)).toBeUndefined();
  });

  test("what is asked for stays", () => {
    const cache = new Cache({ entries: 4 });
    fill(cache, ["a", "b", "c"]);
    expect(cache.get("a")).toBeDefined(); // moves to the young
    fill(cache, ["d", "e"]);
    expect(["a", "b"].map((key) => cache.get(key) !== undefined)).toEqual([true, false]);
  });

  // An entry of these costs 2 for its key, 38 octets, 2 for where its TTL is, and 200: 242.
  test.each([
    [2 * 2 * 242, 4],
    [2 * 2 * 242 - 2, 2],
    [2 * 3 * 242, 4], // a, b, c fill the young ones; d turns them into the old
  ])("%i octets hold %i of four", (bytes, hold) => {
    const cache = new Cache({ bytes });
    fill(cache, ["a", "b", "c", "d"]);
    expect(cache.size).toBe(hold);
  });

  // 200, the key in two octets a letter, the message, its errors, and two octets for where each TTL is.
  test.each([
    ["a long key", "k".repeat(50), "0001 0000 0000", a(300), 200 + 100 + 38 + 2],
    ["errors", "k", "0001 0000 0001", a(300) + opt("000f00020012"), 200 + 2 + 38 + 6 + 2],
    ["many TTLs", "k", "0004 0000 0000", a(300).repeat(4), 200 + 2 + 22 + 4 * 16 + 8],
  ])("%s cost what they take", (_name, key, counts, records, cost) => {
    const held = (bytes: number) => {
      const cache = new Cache({ bytes });
      for (const n of [1, 2, 3, 4]) kept(cache, "8180", counts, records, { key: key.slice(1) + n });
      return cache.size;
    };
    expect([held(2 * 2 * cost), held(2 * 2 * cost - 2)]).toEqual([4, 2]);
  });

  test("an entry put again, or superseded, gives its octets back", () => {
    const cache = new Cache({ bytes: 2 * 2 * 242 });
    fill(cache, ["a", "a", "a", "b", "b"]);
    kept(cache, "8182", "0000 0000 0000", "", { key: "b" });
    fill(cache, ["c"]);
    fill(cache, ["d", "e"]);
    expect(cache.size).toBe(4);
  });

  test.each([
    [8 * 38, true],
    [8 * 38 - 1, false], // half for a generation, a quarter of that for one answer
  ])("in %i octets, one answer of 38: %s", (bytes, expected) => {
    expect(kept(new Cache({ bytes }), "8180", "0001 0000 0000", a(300)) !== undefined).toBe(expected);
  });
});
