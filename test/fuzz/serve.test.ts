/**
 * Questions to small worlds, from octets to octets: an independent decoder reads every answer, it is no longer than the client
 * takes, it echoes the question, and what is denied denies nothing that exists.
 */
import fc from "fast-check";
import { parseConfig } from "../../src/config/load.ts";
import { keyName, nameLabels } from "../../src/model/name.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { NamesReader } from "../../src/scoping/flat-names.ts";
import { DEFAULT_POLICY } from "../../src/scoping/policy.ts";
import { Tables } from "../../src/scoping/tables.ts";
import {
  createServing,
  LATER,
  limitOf,
  MAX_TCP,
  MAX_UDP_LOOPBACK,
  type Serving,
  serve,
} from "../../src/server/serve.ts";
import { applyConfig } from "../support/apply-config.ts";
import { told } from "../support/packets.ts";
import { damaged } from "./arbitraries.ts";
import { fuzz, must } from "./fuzz.ts";

interface World {
  readonly tables: Tables;
  readonly serving: Serving;
  /** Keys of names that one of the sandboxes may know, as they stand and with a network behind them. */
  readonly names: readonly string[];
}

const SANDBOXES = ["in", "out", "nd", "nobody"];
const NETWORKS = ["n", "my.net", "x".repeat(64), "web", "example"];
const LABELS = ["web", "a", "tasks", "1", "9", "_http", "_tcp", "*", "example", "com", "n", "my", "net", "db", "xx"];

/** A world is a row of octets: each makes one choice. */
const worlds = Array.from({ length: 64 }, (_, seed) => world(seed));

function world(seed: number): World {
  let state = seed * 2654435761 + 1;
  const below = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % n;
  };
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const dotted = () =>
    Array.from({ length: 1 + below(3) }, () => pick(LABELS))
      .join(".")
      .replace(/(?<=.)\*/g, "s");
  const aliases = () => Array.from({ length: below(4) }, dotted);
  const some = <T>(value: T) => (below(2) === 0 ? value : undefined);
  const inside = pick(NETWORKS);
  const compat = below(4) === 0 ? "docker" : "none";
  const file = {
    compat,
    networks: {
      [inside]: {
        subnet: pick(["10.0.1.0/24", "10.0.0.0/20", "10.0.1.0/25"]),
        subnet6: some("fd00:1::/64"),
        id: "i",
        internal: true,
      },
      outside: {
        subnet: "10.1.0.0/16",
        id: "o",
        upstreams: some([{ address: "192.0.2.1", domains: ["10.in-addr.arpa", "com"] }]),
      },
    },
    services: Object.fromEntries(
      ["web", "a", "many"].map((name) => [
        name,
        {
          networks: { [pick([inside, "outside"])]: { aliases: aliases() } },
          endpoint_mode: pick(["vip", "dnsrr"]),
          replicas: name === "many" ? below(90) : below(3),
          ports: some([
            { name: "http", target: 80 },
            { target: 53, protocol: "udp" },
          ]),
          labels: some({ long: "y".repeat(below(600)) }),
        },
      ]),
    ),
    containers: {
      c1: { networks: { [inside]: { aliases: aliases() } } },
      c2: { networks: { [inside]: { aliases: aliases() }, outside: { aliases: aliases(), links: ["c1:linked.to"] } } },
      c3: { networks: { outside: {} } },
    },
    sandboxes: {
      in: { container: "c1" },
      out: { container: "c2", ndots: some(1) },
      nd: { container: "c3", ndots: 1 },
    },
  };
  const registry = new Registry();
  applyConfig(registry, parseConfig(JSON.stringify(file), `world ${seed}`, {}));
  const tables = new Tables();
  const patch = new Compiler({ ...DEFAULT_POLICY, compat }).compile(registry.state, "all");
  tables.apply(patch);
  const serving = createServing({ compat, negativeTtl: 5, identity: { version: "v", id: "i" } });
  const keys = new Set<string>();
  for (const reader = new NamesReader(patch.names); reader.next(); ) keys.add(reader.key);
  const suffixes = ["", ...patch.zones.map((z) => z.suffix ?? "")];
  return { tables, serving, names: [...keys].flatMap((k) => suffixes.map((s) => k + s)).filter((k) => k.length < 255) };
}

const u16 = (n: number): number[] => [n >> 8, n & 255];
const wire = (name: string): number[] => [...Buffer.from(`${nameLabels(name)}\0`, "latin1")];
const qname = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...LABELS), { maxLength: 5 }).map((l) => wire(l.join("."))) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(255), fc.nat(2), fc.nat(20)).map(([h, c, b]) => wire(`${h}.${c}.${b}.10.in-addr.arpa`)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(
        "many",
        "c1",
        "c2",
        "c3",
        "linked.to",
        "localhost",
        "x.invalid",
        "resolver.arpa",
        "in-addr.arpa",
        "arpa",
        "1.0.0.127.in-addr.arpa",
        "version.bind",
      )
      .map(wire),
  },
  { weight: 1, arbitrary: fc.nat(5_000).map((n) => [255, ...u16(n)]) }, // the nth name of the world, see below
);
const type = fc.oneof(fc.constantFrom(1, 28, 12, 33, 16, 6, 2, 15, 255, 43, 64), fc.nat(65_535));
const edns = fc.option(fc.tuple(fc.nat(5_000), fc.constantFrom(0, 0, 0, 1), fc.constantFrom(0, 0x8000)));
const packet = fc
  .tuple(
    fc.nat(65_535),
    fc.constantFrom(0x100, 0x110, 0, 0x120),
    qname,
    type,
    fc.constantFrom(1, 1, 1, 1, 255, 3),
    edns,
  )
  .map(([id, flags, name, t, c, opt]) =>
    Uint8Array.from([
      ...[...u16(id), ...u16(flags), 0, 1, 0, 0, 0, 0, 0, opt === null ? 0 : 1, ...name, ...u16(t), ...u16(c)],
      ...(opt === null ? [] : [0, 0, 41, ...u16(opt[0]), 0, opt[1], ...u16(opt[2]), 0, 0]),
    ]),
  );
const input = fc
  .tuple(
    fc.nat(255),
    fc.nat(255),
    fc.oneof({ weight: 3, arbitrary: packet }, { weight: 1, arbitrary: damaged(packet) }),
  )
  .map(([w, how, octets]) => Uint8Array.from([w, how, ...octets]));

const out = Buffer.alloc(MAX_TCP + 64);

fuzz("serve", input, (octets) => {
  const { tables, serving, names } = worlds[(octets[0] ?? 0) % worlds.length]!;
  const how = octets[1] ?? 0;
  const question = named(octets.subarray(2), names);
  const scope = tables.scope(SANDBOXES[how & 3]!);
  const maximum = how & 4 ? MAX_TCP : MAX_UDP_LOOPBACK;
  const length = serve(serving, question, question.length, maximum, scope, out);
  if (length === LATER || length === 0) return;
  const { query, style } = serving;
  must(length > 0 && length <= limitOf(query, maximum), `${length} octets fit`);
  must(out[0] === question[0] && out[1] === question[1] && (out[2]! & 0x80) !== 0, "a reply to this");
  const echoed = query.questionEnd > 0;
  if (echoed)
    must(out.subarray(12, query.questionEnd).equals(question.subarray(12, query.questionEnd)), "the question");
  must(out[5] === (echoed ? 1 : 0), "counted");
  const { rcode, answers, authority, edns: opt, flags } = told(out.subarray(0, length));
  if (style.opt) must((opt !== undefined) === query.edns, "an OPT for an OPT");
  const negative = rcode === "NXDOMAIN" || (rcode === "NOERROR" && answers.length === 0 && !/\btc\b/.test(flags));
  if (!negative || scope === undefined || query.class === 3) return;
  if (style.soa) {
    const apex = query.key.length - ownerLength();
    must(authority.length === 1, "a SOA");
    must(apex >= 0 && (rcode === "NOERROR" || apex > 0), "its owner is at or above the name");
    must(/\baa\b/.test(flags) === (authority[0]?.startsWith(". ") === false), "AA for our zones");
  }
  if (rcode !== "NXDOMAIN" || /^(\d+\.|_[^.]*\._)/.test(keyName(query.key))) return; // below a service: see scope.ts
  for (const known of names) {
    if (known !== query.key && !known.endsWith(query.key)) continue;
    if (known.length > query.key.length && !startsLabel(known, query.key.length)) continue;
    const outcome = scope.lookup(known, 1);
    must(outcome.count === 0, `${JSON.stringify(query.key)} is denied, ${JSON.stringify(known)} exists`);
  }
});

/** The packet, with one of the world's names where octet 255 says so. */
function named(octets: Uint8Array, names: readonly string[]): Buffer {
  if (octets[12] !== 255 || octets.length < 15) return Buffer.from(octets);
  const name = names[((octets[13]! << 8) | octets[14]!) % names.length] ?? "";
  return Buffer.concat([octets.subarray(0, 12), Buffer.from(`${name}\0`, "latin1"), octets.subarray(15)]);
}

/** Length, as a key, of the owner of the authority record that `out` holds: what it points to in the question, or the root. */
function ownerLength(): number {
  let at = 12;
  while (out[at] !== 0) at += out[at]! + 1;
  const end = at;
  const owner = end + 5;
  if (out[owner] === 0) return 0;
  return end - (out.readUInt16BE(owner) & 0x3fff);
}

function startsLabel(key: string, fromEnd: number): boolean {
  let at = 0;
  while (at < key.length - fromEnd) at += key.charCodeAt(at) + 1;
  return at === key.length - fromEnd;
}
