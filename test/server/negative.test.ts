/**
 * NODATA and NXDOMAIN as an authoritative server would say them: the SOA's owner is at or above the name, above it if the name
 * does not exist (RFC 2308 2), AA only for zones of ours, and no name is denied that names of ours are below (RFC 8020).
 */
import { expect, test } from "vitest";
import type { Forwarder, ForwardReply } from "../../src/forwarder/core/types.ts";
import type { ReadonlyState } from "../../src/model/types.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { forward } from "../../src/server/forward.ts";
import { createServing, LATER, MAX_UDP_LOOPBACK, serve } from "../../src/server/serve.ts";
import { query, told } from "../support/packets.ts";
import { changes, stateOf, taskId } from "../support/world.ts";

const STATE = stateOf(
  changes(`
  network mynet overlay 10.0.1.0/24 fd00:1::/64
  network dotted.net overlay 10.0.2.128/25
  network inn overlay internal 10.0.3.0/24
  service web port=http:80/tcp on mynet vip=10.0.1.2 alias=www,api.example.com,*.any
  service sub on mynet vip=10.0.1.4 alias=sub.web,in-addr.arpa
  task web.1 on mynet ip=10.0.1.3
  container c on mynet ip=10.0.1.9 alias=db.example.com,*.app,my.onion on dotted.net ip=10.0.2.130
  container shut on inn ip=10.0.3.9 alias=api.example.org
  sandbox c
  sandbox shut
  sandbox nd of=c ndots=0`),
);
/** Anew in each test: `npm run mutate` asks which test runs what. */
function tablesOf(state: ReadonlyState): Tables {
  const tables = new Tables();
  tables.apply(new Compiler().compile(state, "all"));
  return tables;
}
const serving = createServing({ compat: "none", negativeTtl: 5, identity: { version: "v", id: "i" } });

/** "NODATA aa web": what is said, AA or not, and the owner of the SOA. */
function say(sandbox: string, question: string): string {
  const packet = query(question);
  const out = Buffer.alloc(4096);
  const length = serve(serving, packet, packet.length, MAX_UDP_LOOPBACK, tablesOf(STATE).scope(sandbox), out);
  if (length === LATER) return "forward";
  const { rcode, flags, answers, authority } = told(out.subarray(0, length));
  const words = (rr: string | undefined) => rr?.split(" ")[0] ?? "nothing";
  if (answers.length > 0) return `${answers[0]!.split(" ")[2]} ${words(answers[0])}`;
  const owner = words(authority[0]);
  const name = question.split(" ")[0]!;
  if (owner !== "." && owner !== name) expect(name.endsWith(`.${owner}`), `${owner} is above ${name}`).toBe(true);
  if (rcode === "NXDOMAIN") expect(owner, "a name with a SOA exists").not.toBe(name);
  return `${rcode === "NOERROR" ? "NODATA" : rcode}${/\baa\b/.test(flags) ? " aa" : ""} ${owner}`;
}

test.each([
  ["c", "web MX", "NODATA aa web"],
  ["c", "WEB MX", "NODATA aa WEB"],
  ["c", "www MX", "NODATA aa www"],
  ["c", "web SOA", "SOA web"], // an apex has one
  ["c", "tasks.web MX", "NODATA aa web"],
  ["c", "tasks.web SOA", "NODATA aa web"],
  ["c", "1.web AAAA", "NODATA aa web"],
  ["c", "9.web A", "NXDOMAIN aa web"],
  ["c", "_http._tcp.web A", "NODATA aa web"],
  ["c", "_tcp.web A", "NODATA aa web"],
  ["c", "_x._tcp.web SRV", "NXDOMAIN aa web"],
  ["c", "_web._tcp A", "NODATA aa _web._tcp"],
  ["c", "web.mynet MX", "NODATA aa web.mynet"],
  ["c", "tasks.web.mynet MX", "NODATA aa web.mynet"],
  ["c", "9.web.mynet A", "NXDOMAIN aa web.mynet"],
  ["c", "web.1.web-1-id MX", "NODATA aa web.1.web-1-id"],
  ["c", "sub.web MX", "NODATA aa sub.web"], // a service below another one
  ["c", "9.sub.web A", "NXDOMAIN aa sub.web"],
  ["c", "my.onion MX", "NODATA aa my.onion"], // ours, whatever the zone
  ["c", "c MX", "NODATA aa c"],
  ["c", "c.dotted.net MX", "NODATA aa c.dotted.net"],
  ["c", "db.example.com MX", "NODATA aa db.example.com"], // example.com is somebody else's
  ["c", "api.example.com MX", "NODATA aa api.example.com"],
  ["c", "9.api.example.com A", "NXDOMAIN aa api.example.com"],
  ["c", "x.app MX", "NODATA aa x.app"],
  ["c", "x.any MX", "NODATA aa x.any"],
  ["c", "web DS", "NODATA aa web"], // what the child says that is not the parent (RFC 4035 3.1.4.1)
  ["c", "2.1.0.10.in-addr.arpa MX", "NODATA aa 1.0.10.in-addr.arpa"],
  ["c", "99.1.0.10.in-addr.arpa PTR", "NXDOMAIN aa 1.0.10.in-addr.arpa"],
  ["c", "1.0.10.in-addr.arpa NS", "NODATA aa 1.0.10.in-addr.arpa"], // the subnet's zone, whatever a service above it is called
  ["c", "1.0.10.in-addr.arpa SOA", "SOA 1.0.10.in-addr.arpa"],
  ["c", "200.2.0.10.in-addr.arpa PTR", "NXDOMAIN aa 2.0.10.in-addr.arpa"],
  ["c", "x.200.2.0.10.in-addr.arpa PTR", "NXDOMAIN aa 2.0.10.in-addr.arpa"],
  [
    "c",
    `${"9.".repeat(16)}0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa PTR`,
    "NXDOMAIN aa 0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
  ],
  ["c", "localhost MX", "NODATA aa localhost"],
  ["c", "x.localhost MX", "NODATA aa localhost"],
  ["c", "x.invalid A", "NXDOMAIN ."], // as the root says, for whom we don't speak
  ["c", "invalid A", "NXDOMAIN ."],
  ["c", "x.onion A", "NXDOMAIN ."],
  ["c", "x.0.0.127.in-addr.arpa PTR", "NXDOMAIN aa 127.in-addr.arpa"],
  ["c", "1.0.0.0.in-addr.arpa PTR", "NXDOMAIN aa 0.in-addr.arpa"],
  ["c", "_dns.resolver.arpa SVCB", "NODATA aa resolver.arpa"],
  ["c", "resolver.arpa SOA", "SOA resolver.arpa"],
  ["nd", "nosuch A", "NODATA ."],
  ["nd", "web MX", "NODATA aa web"],
  ["shut", "example.com A", "NXDOMAIN ."],
  ["shut", "com A", "NXDOMAIN ."],
  ["shut", " NS", "NODATA ."],
  ["shut", "inn A", "NODATA ."], // shut.inn exists, so inn does
  ["shut", "org A", "NODATA ."], // as api.example.org does
  ["shut", "example.org A", "NODATA ."],
  ["shut", "example.org.inn A", "NODATA ."],
  ["shut", "xexample.org A", "NXDOMAIN ."],
  ["shut", "org.net A", "NXDOMAIN ."], // org.inn exists, which is another
  ["shut", "arpa NS", "NODATA ."],
  ["shut", "resolver.arpa NS", "NODATA aa resolver.arpa"],
  ["shut", "99.3.0.10.in-addr.arpa PTR", "NXDOMAIN aa 3.0.10.in-addr.arpa"],
])("%s asks %s: %s", (sandbox, question, expected) => expect(say(sandbox, question)).toBe(expected));

test("what is below a name is counted: it exists as long as anything below it does", () => {
  const registry = new Registry();
  const compiler = new Compiler();
  const own = new Tables();
  registry.on("change", ({ touched }) => own.apply(compiler.compile(registry.state, touched)));
  const above = (key: string) => own.scope("c")!.isAbove(key);
  const seen = () => ["\x03com", "\x07example\x03com", "\x0a1-web-x-id"].map(above);
  registry.apply(changes("network n overlay internal 10.0.1.0/24\n container c on n\n sandbox c"));
  expect(seen()).toEqual([false, false, false]);
  registry.apply(changes("container a on n alias=a.example.com\n container b on n alias=b.example.com,*.example.com"));
  expect(seen()).toEqual([true, true, false]);
  registry.apply([{ kind: "container.remove", id: "a" }]);
  expect(seen()).toEqual([true, true, false]);
  registry.apply(changes("container b on n alias=com"));
  expect(seen()).toEqual([false, false, false]);
  registry.apply(changes("service web on n\n task web.1 on n"));
  expect([above(`\x08${taskId("web.1")}`), above("\x03web")]).toEqual([true, true]);
  registry.apply([{ kind: "service.remove", id: "web" }]);
  expect([above(`\x08${taskId("web.1")}`), above("\x03web")]).toEqual([false, false]);
});

test.each([
  ["none", "mynet A", 3, "NOERROR ."], // web.mynet exists, so mynet does, whatever an upstream says
  ["none", "MyNet A", 3, "NOERROR ."],
  ["none", "net A", 3, "NOERROR ."], // of c.dotted.net
  ["none", "dotted.net NS", 3, "NOERROR ."],
  ["none", "other A", 3, "NXDOMAIN nothing"],
  ["none", "otted.net A", 3, "NXDOMAIN nothing"],
  ["none", "nosuch.mynet A", 3, "NXDOMAIN nothing"],
  ["none", "example.com A", 3, "NXDOMAIN nothing"], // though we have db.example.com: who forwards lets upstreams say what exists
  ["none", "mynet A", 0, "NOERROR nothing"],
  ["none", "mynet A", 2, "SERVFAIL nothing"],
  ["docker", "mynet A", 3, "NXDOMAIN nothing"],
] as const)("compat %s: %s, to which an upstream says rcode %i: %s", (compat, question, rcode, expected) => {
  const packet = query(question);
  const replying: Forwarder["forward"] = (_, done: ForwardReply) => {
    const reply = Buffer.from(packet);
    reply.writeUInt16BE(0x8180 | rcode, 2);
    done(reply);
  };
  const own = createServing({ compat, negativeTtl: 5, identity: { version: "v", id: "i" } });
  const out = Buffer.alloc(4096);
  expect(serve(own, packet, packet.length, MAX_UDP_LOOPBACK, tablesOf(STATE).scope("c"), out)).toBe(LATER);
  let answer: Uint8Array = out;
  const forwarder = { forward: replying } as Forwarder;
  forward(own, forwarder, tablesOf(STATE).scope("c")!, packet, packet.length, "127.0.0.1", MAX_UDP_LOOPBACK, (a) => {
    answer = a;
  });
  const { rcode: said, authority, question: echoed } = told(answer);
  expect(`${said} ${authority[0]?.split(" ")[0] ?? "nothing"}`).toBe(expected);
  expect(echoed).toBe(question);
});
