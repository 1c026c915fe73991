/** Which names an object claims on which network, and what it says of them: the rule book, one object at a time. */
import { describe, expect, test } from "vitest";
import { addressText } from "../../src/model/address.ts";
import { keyName } from "../../src/model/name.ts";
import type { Change, ReadonlyState, Service } from "../../src/model/types.ts";
import { type Claim, containerClaims, serviceClaims, taskClaims } from "../../src/scoping/claims.ts";
import { DEFAULT_POLICY } from "../../src/scoping/policy.ts";
import { rdataOf } from "../../src/wire/rrset.ts";
import { changes, stateOf } from "../support/world.ts";

const NETWORKS = `
  network n overlay 10.0.1.0/24
  network m overlay 10.0.2.0/24
  network mesh overlay ingress 10.0.0.0/24
  network bridge bridge default 172.17.0.0/16`;

function claimsOf(change: Change, state: ReadonlyState): readonly Claim[] {
  if (change.kind === "service.put") return serviceClaims(change.service, state, DEFAULT_POLICY);
  if (change.kind === "task.put") return taskClaims(change.task, state, DEFAULT_POLICY);
  if (change.kind === "container.put") return containerClaims(change.container, state, DEFAULT_POLICY);
  throw new Error(change.kind);
}

const TYPES: Readonly<Record<number, string>> = { 1: "A", 12: "PTR", 16: "TXT", 28: "AAAA", 33: "SRV" };
const recordText = (type: number, rdata: string): string => {
  if (type === 1) return addressText(rdata);
  return type === 12 ? keyName(rdata.slice(0, -1)) : TYPES[type]!;
};

/** What the last line's object claims: "n web tasks: 10.0.1.2 TXT", the network, the names, and what they have. */
function claimed(text: string): string[] {
  const all = changes(`${NETWORKS}\n${text}`);
  return claimsOf(all.at(-1)!, stateOf(all)).map(({ network, keys, records }) => {
    const said = records.flatMap((set) => rdataOf(set).map((rdata) => recordText(set.type, rdata)));
    return [`${network} ${keys.map(keyName).join(" ")}:`, ...said].join(" ");
  });
}

const LONG = "x".repeat(60);

test.each<[string, string, string[]]>([
  [
    "a service: its names, what its tasks share, and its address backwards",
    "service web on n vip=10.0.1.2 alias=www",
    ["n web www: 10.0.1.2 TXT", "n tasks.web tasks.www:", "n 2.1.0.10.in-addr.arpa: web.n"],
  ],
  [
    "on each network under the aliases it has there",
    "service web dnsrr on n alias=x on m alias=y\n task web.1 on n ip=10.0.1.3 on m ip=10.0.2.3",
    [
      "n web.1.web-1-id 1.web: 10.0.1.3",
      "n 3.1.0.10.in-addr.arpa: web.1.web-1-id.n",
      "n tasks.web tasks.x web x: 10.0.1.3",
      "m web.1.web-1-id 1.web: 10.0.2.3",
      "m 3.2.0.10.in-addr.arpa: web.1.web-1-id.m",
      "m tasks.web tasks.y web y: 10.0.2.3",
    ],
  ],
  [
    "without VIP where it is resolved to its tasks, though it has one to go back to",
    "service web dnsrr on n vip=10.0.1.2",
    ["n web: TXT", "n tasks.web web:"],
  ],
  [
    "ports: by name and by number, and what is above them",
    "service web port=http:80/tcp on n vip=10.0.1.2",
    [
      "n web: 10.0.1.2 TXT",
      "n tasks.web:",
      "n _tcp _tcp.web:",
      "n 2.1.0.10.in-addr.arpa: web.n",
      "n _http._tcp.web: SRV",
      "n _80._tcp.web: SRV",
      "n _web._tcp: SRV",
    ],
  ],
  [
    "a port without a name has its number only",
    "service web port=80/tcp on n vip=10.0.1.2",
    [
      "n web: 10.0.1.2 TXT",
      "n tasks.web:",
      "n _tcp _tcp.web:",
      "n 2.1.0.10.in-addr.arpa: web.n",
      "n _80._tcp.web: SRV",
      "n _web._tcp: SRV",
    ],
  ],
  ["a service on the mesh has no names there", "service web on mesh vip=10.0.0.5", []],
  ["nor have its tasks", "service web on mesh\n task web.1 on mesh ip=10.0.0.6", []],
  ["nor has a container on the default bridge", "container c on bridge ip=172.17.0.2", []],
  [
    "a container: its name, its aliases, the beginning of its id",
    "container c id=76a2bac7e4ae1234 on n ip=10.0.1.4 alias=db",
    ["n c db 76a2bac7e4ae: 10.0.1.4 TXT", "n 4.1.0.10.in-addr.arpa: c.n"],
  ],
  [
    "the beginning of a name is nobody's",
    "container long-name-of-it on n ip=10.0.1.4",
    ["n long-name-of-it: 10.0.1.4 TXT", "n 4.1.0.10.in-addr.arpa: long-name-of-it.n"],
  ],
  [
    "a name that DNS has no form for is none",
    `container c on n ip=10.0.1.4 alias=${"x".repeat(64)},a..b,db`,
    ["n c db: 10.0.1.4 TXT", "n 4.1.0.10.in-addr.arpa: c.n"],
  ],
  [
    "and nothing leads to it: a task's with an id of more than 63 letters",
    `service ${LONG} dnsrr port=80/tcp on n\n task ${LONG}.1 on n ip=10.0.1.3`,
    [`n 1.${LONG}: 10.0.1.3`, `n tasks.${LONG} ${LONG}: 10.0.1.3`],
  ],
])("%s", (_name, text, expected) => expect(claimed(text)).toEqual(expected));

test("a service that is renamed, its networks being the same objects, leaves the old names", () => {
  const all = changes(`${NETWORKS}\n service web on n vip=10.0.1.2`);
  const state = stateOf(all);
  const names = (service: Service) =>
    serviceClaims(service, state, DEFAULT_POLICY).map(({ keys }) => keys.map(keyName).join(" "));
  const web = state.services.get("web")!;
  expect(names(web)).toEqual(["web", "tasks.web", "2.1.0.10.in-addr.arpa"]);
  expect(names({ ...web, name: "shop" })).toEqual(["shop", "tasks.shop", "2.1.0.10.in-addr.arpa"]);
  expect(names(web)).toEqual(["web", "tasks.web", "2.1.0.10.in-addr.arpa"]);
});

describe("TXT (RFC 1464), 64 KiB at the most", () => {
  const FIXED = ["id=web", "mode=vip", "service=web"];
  const fixed = FIXED.reduce((sum, text) => sum + 1 + text.length, 0);
  /** Octets of a label `a=…`, or more than one, so long in all. */
  const label = (size: number) => "x".repeat(size - Math.ceil(size / 256) - 2);

  function told(labels: Record<string, string>): string[] {
    const [change] = changes("service web on n vip=10.0.1.2").slice(-1);
    const { service } = change as Change & { kind: "service.put" };
    const state = stateOf(changes(NETWORKS));
    const [own] = serviceClaims({ ...service, labels }, state, DEFAULT_POLICY);
    const txt = own!.records.find(({ type }) => type === 16)!;
    const rdata = rdataOf(txt)[0]!;
    expect(rdata.length).toBeLessThanOrEqual(65_535);
    const strings: string[] = [];
    for (let at = 0; at < rdata.length; at += rdata.charCodeAt(at) + 1) strings.push(rdata.slice(at + 1, at + 20));
    return strings.map((s) => s.split("=")).flatMap(([key, value]) => (value === undefined ? [] : [key!]));
  }

  test.each<[string, Record<string, string>, string[]]>([
    ["in order of key", { zone: "1", a: "2" }, ["a", "id", "mode", "service", "zone"]],
    ["what just fits is told", { a: label(65_535 - fixed) }, ["a", "id", "mode", "service"]],
    ["one octet more, and the last is left out", { a: label(65_536 - fixed) }, ["a", "id", "mode"]],
    ["what fits behind that is told", { a: label(65_535 - 14), b: "1" }, ["a", "b", "id"]],
    ["alone too much", { a: "x".repeat(70_000), b: "1" }, ["b", "id", "mode", "service"]],
  ])("%s", (_name, labels, expected) => expect(told(labels)).toEqual(expected));
});
