import { describe, expect, test } from "vitest";
import { Compiler } from "../../src/scoping/compile.ts";
import { DEFAULT_POLICY, type Policy } from "../../src/scoping/policy.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { look } from "../support/look.ts";
import { changes, stateOf } from "../support/world.ts";

const WORLD = `
  network mynet overlay 10.0.1.0/24 fd00:1::/64
  network othernet overlay 10.0.2.0/24
  network br1 bridge 172.28.1.0/24
  network dotted.net bridge 172.28.3.0/24
  network inn bridge internal 172.28.9.0/24
  network ingress overlay ingress 10.0.0.0/24
  network bridge bridge default 172.17.0.0/16

  service web port=http:8080:80/tcp on mynet vip=10.0.1.2 vip6=fd00:1::2 alias=www,shared
  task web.1 cid=0cb69af29af2b088 host=h1 on mynet ip=10.0.1.3 ip6=fd00:1::3
  task web.2 on mynet ip=10.0.1.4
  task web.3 health=starting on mynet ip=10.0.1.5
  service rr dnsrr port=9000/udp on mynet alias=rrfoo
  task rr.1 on mynet ip=10.0.1.6
  task rr.2 on mynet ip=10.0.1.7
  task rr.3 state=draining on mynet ip=10.0.1.8
  service glob on mynet vip=10.0.1.22
  task glob.nodeA node=nodeA on mynet ip=10.0.1.23
  service zero on mynet vip=10.0.1.24
  service zerorr dnsrr on mynet
  service peers dnsrr publish=starting on mynet
  task peers.1 state=starting health=starting on mynet ip=10.0.1.40
  service other on othernet vip=10.0.2.6 alias=shared
  service hidden on ingress vip=10.0.0.5

  container c1 id=76a2bac7e4ae1234 host=c1host on mynet ip=10.0.1.32 alias=calias,Mixed.Alias,*.app,api.example.com
  container c2 on othernet ip=10.0.2.9 alias=calias
  container both on othernet ip=10.0.2.10 on mynet ip=10.0.1.33
  container first on othernet ip=10.0.2.11 priority=10 on mynet ip=10.0.1.34
  container shadow on mynet ip=10.0.1.36 alias=shared
  container gone state=stopped on mynet ip=10.0.1.37
  container cli on br1 ip=172.28.1.5 link=a1:Linked,a2
  container a1 on br1 ip=172.28.1.2 alias=pool
  container a2 on br1 ip=172.28.1.3 alias=pool
  container dn on dotted.net ip=172.28.3.2 alias=al
  container mixed on inn ip=172.28.9.3 on br1 ip=172.28.1.9
  container shut on inn ip=172.28.9.2
  container deflt on bridge ip=172.17.0.2
  container nd on mynet ip=10.0.1.50

  sandbox c1 of=76a2bac7e4ae1234
  sandbox c2
  sandbox both
  sandbox first
  sandbox cli
  sandbox a1
  sandbox dn
  sandbox mixed
  sandbox shut
  sandbox deflt
  sandbox web.1
  sandbox nd ndots=0
`;

function tablesOf(text: string, policy: Policy = DEFAULT_POLICY): Tables {
  const tables = new Tables();
  tables.apply(new Compiler(policy).compile(stateOf(changes(text)), "all"));
  return tables;
}

/** Anew in each test: `npm run mutate` asks which test runs what. */
const tables = (): Tables => tablesOf(WORLD);

describe("services", () => {
  test.each([
    ["c1", "web A", "10.0.1.2 ttl=600"],
    ["c1", "web AAAA", "fd00:1::2 ttl=600"],
    ["c1", "WEB A", "10.0.1.2 ttl=600"],
    ["c1", "www A", "10.0.1.2 ttl=600"],
    ["c1", "web.mynet A", "10.0.1.2 ttl=600"],
    ["c1", "web.MyNet A", "10.0.1.2 ttl=600"], // Docker compares network names by case
    ["c1", "tasks.web A", "10.0.1.3 10.0.1.4 ttl=5"], // web.3 is not healthy yet
    ["c1", "tasks.web AAAA", "fd00:1::3 ttl=5"],
    ["c1", "tasks.www A", "10.0.1.3 10.0.1.4 ttl=5"],
    ["c1", "tasks.web.mynet A", "10.0.1.3 10.0.1.4 ttl=5"],
    ["c1", "rr A", "10.0.1.6 10.0.1.7 ttl=5"], // rr.3 is draining
    ["c1", "rrfoo A", "10.0.1.6 10.0.1.7 ttl=5"],
    ["c1", "tasks.rrfoo A", "10.0.1.6 10.0.1.7 ttl=5"],
    ["c1", "rr AAAA", "NODATA"],
    ["c1", "zero A", "10.0.1.24 ttl=600"], // a VIP's name stays with no tasks
    ["c1", "tasks.zero A", "NODATA"],
    ["c1", "zerorr A", "NODATA"], // known and empty: never forwarded
    ["c1", "peers A", "10.0.1.40 ttl=5"],
    ["c1", "shared A", "10.0.1.2 10.0.1.36 ttl=5"], // an alias of several: all, at the smallest TTL
    ["c1", "hidden A", "forward"], // ingress gives no names
    ["web.1", "web A", "10.0.1.2 ttl=600"],
    ["web.1", "other A", "forward"],
    ["c2", "web A", "forward"],
    ["c2", "tasks.web A", "forward"],
    ["c2", "web.mynet A", "forward"],
  ])("%s asks %s: %s", (sandbox, question, expected) => expect(look(tables(), sandbox, question)).toBe(expected));
});

describe("tasks and containers", () => {
  test.each([
    ["c1", "web.1.web-1-id A", "10.0.1.3 ttl=5"],
    ["c1", "web.1.web-1-id.mynet A", "10.0.1.3 ttl=5"],
    ["c1", "1.web A", "10.0.1.3 ttl=5"],
    ["c1", "2.web.mynet A", "10.0.1.4 ttl=5"],
    ["c1", "3.web A", "NXDOMAIN"], // not answering yet; below a service's name nobody else is asked
    ["c1", "9.web A", "NXDOMAIN"],
    ["c1", "9.www.mynet A", "NXDOMAIN"],
    ["c1", "9.shared A", "NXDOMAIN"], // a service's name, though a container has it, too
    ["c1", "x.web A", "forward"],
    ["c1", "nodeA.glob A", "10.0.1.23 ttl=5"],
    ["c1", "glob.nodeA.glob-nodeA-id A", "10.0.1.23 ttl=5"],
    ["c1", "0cb69af29af2 A", "10.0.1.3 ttl=5"],
    ["c1", "0cb69af29af A", "forward"],
    ["c1", "h1 A", "forward"], // hostnames are opt-in
    ["c1", "c1 A", "10.0.1.32 ttl=5"],
    ["c1", "C1.MYNET A", "10.0.1.32 ttl=5"],
    ["c1", "76a2bac7e4ae A", "10.0.1.32 ttl=5"],
    ["c1", "mixed.alias A", "10.0.1.32 ttl=5"],
    ["c1", "gone A", "forward"],
    ["c1", "c2 A", "forward"],
    ["c1", "calias.othernet A", "forward"],
    ["dn", "dn.dotted.net A", "172.28.3.2 ttl=5"],
    ["dn", "AL.dotted.net A", "172.28.3.2 ttl=5"],
    ["dn", "dn.net A", "forward"],
    ["deflt", "deflt A", "forward"], // the default bridge gives no names
  ])("%s asks %s: %s", (sandbox, question, expected) => expect(look(tables(), sandbox, question)).toBe(expected));
});

describe("wildcards (RFC 4592)", () => {
  test.each([
    ["c1", "x.app A", "10.0.1.32 ttl=5"],
    ["c1", "x.y.app A", "10.0.1.32 ttl=5"],
    ["c1", "x.app.mynet A", "10.0.1.32 ttl=5"],
    ["c1", "app A", "forward"],
    ["c1", "x.app MX", "NODATA"],
    ["c2", "x.app A", "forward"],
  ])("%s asks %s: %s", (sandbox, question, expected) => expect(look(tables(), sandbox, question)).toBe(expected));
});

describe("links are private", () => {
  test.each([
    ["cli", "linked A", "172.28.1.2 ttl=5"],
    ["cli", "LINKED.br1 A", "172.28.1.2 ttl=5"], // Docker compares link aliases by case
    ["cli", "a2 A", "172.28.1.3 ttl=5"],
    ["a1", "linked A", "forward"],
  ])("%s asks %s: %s", (sandbox, question, expected) => expect(look(tables(), sandbox, question)).toBe(expected));
});

describe("several networks", () => {
  test.each([
    ["both", "calias A", "10.0.1.32 ttl=5"], // overlays by name: mynet before othernet
    ["both", "calias.othernet A", "10.0.2.9 ttl=5"],
    ["first", "calias A", "10.0.2.9 ttl=5"], // its priority says othernet
    ["mixed", "shut A", "172.28.9.2 ttl=5"],
  ])("%s asks %s: %s", (sandbox, question, expected) => expect(look(tables(), sandbox, question)).toBe(expected));

  test("overlay, then two families, then name; internal last", () => {
    const ranked = tablesOf(`
      network inn overlay internal 10.0.9.0/24
      network ovz overlay 10.0.3.0/24
      network six bridge 172.16.6.0/24 fd00:6::/64
      network alpha bridge 172.16.1.0/24
      container dup-inn on inn ip=10.0.9.2 alias=dup,i
      container dup-ovz on ovz ip=10.0.3.2 alias=dup
      container dup-six on six ip=172.16.6.2 ip6=fd00:6::2 alias=dup,ia,sa
      container dup-alpha on alpha ip=172.16.1.2 alias=dup,i,ia,sa
      container all on alpha ip=172.16.1.9 on six ip=172.16.6.9 on ovz ip=10.0.3.9 on inn ip=10.0.9.9
      sandbox all`);
    expect(["dup A", "dup AAAA", "sa A", "i A"].map((q) => look(ranked, "all", q))).toEqual([
      "10.0.3.2 ttl=5",
      "NODATA", // the first network that knows the name answers for every family
      "172.16.6.2 ttl=5",
      "10.0.9.2 ttl=5",
    ]);
  });
});

describe("addresses backwards", () => {
  test.each([
    ["c1", "2.1.0.10.in-addr.arpa PTR", "web.mynet ttl=600"], // Docker has none for VIPs
    ["c1", "3.1.0.10.in-addr.arpa PTR", "web.1.web-1-id.mynet ttl=5"],
    ["c1", "32.1.0.10.IN-ADDR.ARPA PTR", "c1.mynet ttl=5"],
    ["c1", `${"2.0.0.0.".repeat(1)}${"0.".repeat(20)}1.0.0.0.0.0.d.f.ip6.arpa PTR`, "web.mynet ttl=600"],
    ["c1", "9.2.0.10.in-addr.arpa PTR", "forward"], // on another network: not visible
    ["c1", "32.1.0.10.in-addr.arpa A", "NODATA"],
    ["c1", "1.0.0.127.in-addr.arpa PTR", "localhost ttl=86400"],
    ["c1", "200.1.0.10.in-addr.arpa PTR", "NXDOMAIN"], // in our subnet, and nobody's: nobody outside knows it (RFC 6303)
    ["c1", "200.1.0.10.in-addr.arpa TXT", "NXDOMAIN"],
    ["c1", "1.0.10.in-addr.arpa NS", "NODATA"],
    ["c1", "0.10.in-addr.arpa NS", "forward"],
    ["c1", "x.1.0.10.in-addr.arpa PTR", "NXDOMAIN"],
    ["c1", "01.1.0.10.in-addr.arpa PTR", "NXDOMAIN"],
    ["c1", "1.32.1.0.10.in-addr.arpa PTR", "NXDOMAIN"],
    ["c1", "9.9.0.10.in-addr.arpa PTR", "forward"], // inn's and ingress's, where c1 is not
    ["both", "200.2.0.10.in-addr.arpa PTR", "NXDOMAIN"],
    ["c1", `${"9.".repeat(16)}0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa PTR`, "NXDOMAIN"],
    ["c1", "1.0.0.0.0.0.d.f.ip6.arpa NS", "forward"],
    ["c1", `${"9.".repeat(16)}0.0.0.0.0.0.0.0.2.0.0.0.0.0.d.f.ip6.arpa PTR`, "forward"],
    ["deflt", "9.0.17.172.in-addr.arpa PTR", "NXDOMAIN"], // also where no names are
  ])("%s asks %s: %s", (sandbox, question, expected) => expect(look(tables(), sandbox, question)).toBe(expected));
});

describe("SRV and TXT", () => {
  test.each([
    ["c1", "_http._tcp.web SRV", "80/web.mynet ttl=600"],
    ["c1", "_80._tcp.www SRV", "80/web.mynet ttl=600"],
    ["c1", "_8080._tcp.web.mynet SRV", "80/web.mynet ttl=600"],
    ["c1", "_web._tcp SRV", "80/web.mynet ttl=600"],
    ["c1", "_9000._udp.rr SRV", "9000/rr.1.rr-1-id.mynet 9000/rr.2.rr-2-id.mynet ttl=5"],
    ["c1", "_http._udp.web SRV", "NXDOMAIN"],
    ["c1", "_tcp.web A", "NODATA"], // names of ours are below these (RFC 8020)
    ["c1", "_tcp.www.mynet A", "NODATA"],
    ["c1", "_tcp A", "NODATA"],
    ["c1", "_udp.web A", "forward"],
    ["c1", "_x._y._z._web SRV", "forward"],
    ["c1", "_http._tcp.nosuch SRV", "forward"],
    ["c1", "web SRV", "NODATA"],
    ["c1", "web TXT", "id=web|mode=vip|service=web ttl=600"],
    ["c1", "1.web TXT", "NODATA"],
    ["c1", "c1 TXT", "container=c1 ttl=5"],
  ])("%s asks %s: %s", (sandbox, question, expected) => expect(look(tables(), sandbox, question)).toBe(expected));
});

test("a name that a service's ports and a container's alias make has what both say", () => {
  const t = tablesOf(`
    network n overlay 10.0.1.0/24
    service web port=80/tcp on n vip=10.0.1.2
    container c on n ip=10.0.1.5 alias=_web._tcp
    sandbox c`);
  expect(["SRV", "TXT", "A"].map((type) => look(t, "c", `_web._tcp ${type}`))).toEqual([
    "80/web.n ttl=600",
    "container=c ttl=5",
    "10.0.1.5 ttl=5",
  ]);
});

describe("which reverse names a subnet has", () => {
  test.each([
    ["10.0.0.0/8", "10.in-addr.arpa", "NODATA"],
    ["10.0.0.0/8", "in-addr.arpa", "forward"],
    ["10.128.0.0/9", "128.10.in-addr.arpa", "NODATA"],
    ["10.128.0.0/9", "127.10.in-addr.arpa", "forward"],
    ["10.128.0.0/9", "10.in-addr.arpa", "forward"], // half of it is somebody else's
    ["10.128.0.0/9", "9.9.255.10.in-addr.arpa", "NXDOMAIN"],
    ["172.16.0.0/12", "5.31.172.in-addr.arpa", "NODATA"],
    ["172.16.0.0/12", "5.32.172.in-addr.arpa", "forward"],
    ["10.0.1.128/25", "127.1.0.10.in-addr.arpa", "forward"],
    ["10.0.1.128/25", "254.1.0.10.in-addr.arpa", "NXDOMAIN"],
    ["10.0.1.128/25", "1.0.10.in-addr.arpa", "forward"],
    ["10.0.1.9/32", "9.1.0.10.in-addr.arpa", "NXDOMAIN"],
    ["fd00:1::/63", "1.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", "NODATA"],
    ["fd00:1::/63", "2.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", "forward"],
    ["fd00:1::/32", "g.1.0.0.0.0.0.d.f.ip6.arpa", "NXDOMAIN"],
    ["fd00:1::/32", "10.1.0.0.0.0.0.d.f.ip6.arpa", "NXDOMAIN"],
    ["10.0.0.0/8", "1.a.ip6.arpa", "forward"], // 10 is a, but in another family
  ])("%s, %s: %s", (cidr, name, expected) => {
    const t = tablesOf(`network n overlay ${cidr}\n container c on n\n sandbox c`);
    expect(look(t, "c", `${name} PTR`)).toBe(expected);
  });

  test("compat docker: none, as there", () => {
    const docker = tablesOf(WORLD, { ...DEFAULT_POLICY, compat: "docker" });
    expect(look(docker, "c1", "200.1.0.10.in-addr.arpa PTR")).toBe("forward");
    expect(look(docker, "c1", "_dns.resolver.arpa SVCB")).toBe("forward");
    expect(look(docker, "c1", "9.0.0.0.in-addr.arpa PTR")).toBe("forward");
  });

  test("an upstream for a zone has it", () => {
    const up = "up=192.0.2.1@in-addr.arpa,192.0.2.2@resolver.arpa,192.0.2.3@onion,192.0.2.4@invalid";
    const t = tablesOf(`network n overlay 10.0.1.0/24 ${up}\n container c on n ip=10.0.1.5\n sandbox c`);
    expect(
      [
        "9.1.0.10.in-addr.arpa PTR",
        "5.1.0.10.in-addr.arpa PTR",
        "_dns.resolver.arpa SVCB",
        "x.onion A",
        "x.invalid A",
        "1.0.0.127.in-addr.arpa PTR",
        "9.0.0.0.in-addr.arpa PTR",
      ].map((q) => look(t, "c", q)),
    ).toEqual(["forward", "c.n ttl=5", "forward", "forward", "NXDOMAIN", "localhost ttl=86400", "forward"]);
  });
});

describe("names with a meaning everywhere (RFC 6761, 6303, 9462)", () => {
  test.each([
    ["localhost A", "127.0.0.1 ttl=86400"],
    ["x.localhost AAAA", "::1 ttl=86400"],
    ["localhost MX", "NODATA"],
    ["localhost ANY", "RFC8482| ttl=3600"],
    ["mylocalhost A", "forward"],
    ["a.invalid A", "NXDOMAIN"],
    ["xyz.onion A", "NXDOMAIN"],
    ["notonion A", "forward"],
    ["127.in-addr.arpa NS", "NODATA"],
    ["0.127.in-addr.arpa PTR", "NODATA"],
    ["9.9.9.127.in-addr.arpa PTR", "localhost ttl=86400"],
    ["9.9.9.127.in-addr.arpa ANY", "RFC8482| ttl=3600"],
    ["9.9.9.127.in-addr.arpa A", "NODATA"],
    ["x.0.0.127.in-addr.arpa PTR", "NXDOMAIN"],
    ["1127.in-addr.arpa PTR", "forward"],
    [`1.${"0.".repeat(31)}ip6.arpa PTR`, "localhost ttl=86400"],
    [`x.1.${"0.".repeat(31)}ip6.arpa PTR`, "NXDOMAIN"],
    [`${"0.".repeat(32)}ip6.arpa PTR`, "NODATA"],
    ["1.2.3.0.in-addr.arpa PTR", "NXDOMAIN"],
    ["3.0.in-addr.arpa PTR", "NODATA"],
    ["_dns.resolver.arpa SVCB", "NODATA"],
    ["resolver.arpa A", "NODATA"],
    ["x.y.resolver.arpa TXT", "NODATA"],
    ["xresolver.arpa A", "forward"],
    ["home.arpa A", "forward"],
    ["api.example.com A", "10.0.1.32 ttl=5"],
    ["x.api.example.com A", "forward"],
  ])("%s: %s", (question, expected) => expect(look(tables(), "c1", question)).toBe(expected));
});

test.each([
  ["shut", "example.com A", "blocked"],
  ["shut", "shut A", "172.28.9.2 ttl=5"],
  ["shut", "a.b.example.com MX", "blocked"],
  ["shut", " NS", "blocked above"], // the root is above everything
  ["shut", "inn A", "blocked above"], // there is shut.inn
  ["shut", "arpa NS", "blocked above"],
  ["shut", "28.172.in-addr.arpa NS", "blocked above"], // and there is 2.9.28.172.in-addr.arpa
  ["shut", "9.9.28.172.in-addr.arpa PTR", "NXDOMAIN"],
  ["shut", "5.5.5.5.in-addr.arpa PTR", "blocked"],
  ["mixed", "example.com A", "forward"], // one network leads out
  ["nd", "nosuch A", "search"], // explicit ndots: single labels stay here
  ["nd", "nosuch MX", "forward"],
  ["nd", "no.such A", "forward"],
  ["nd", "web A", "10.0.1.2 ttl=600"],
])("leaving the sandbox: %s asks %s: %s", (sandbox, question, expected) => {
  expect(look(tables(), sandbox, question)).toBe(expected);
});

test("for every known name and every type: an answer or NODATA, never upstream, never NXDOMAIN", () => {
  const names = [
    "web",
    "www.mynet",
    "tasks.web",
    "rr",
    "zerorr",
    "1.web",
    "c1",
    "x.app",
    "_http._tcp.web",
    "2.1.0.10.in-addr.arpa",
  ];
  const all = tables();
  for (const name of names) {
    for (let type = 1; type <= 260; type++) {
      expect(look(all, "c1", `${name} TYPE${type}`), `${name} ${type}`).not.toMatch(/forward|NXDOMAIN|blocked/);
    }
  }
});

describe("policy", () => {
  test("compat docker: 600 everywhere, hostnames are names", () => {
    const docker = tablesOf(WORLD, { ...DEFAULT_POLICY, compat: "docker" });
    expect(["rr A", "h1 A", "c1host A"].map((q) => look(docker, "c1", q))).toEqual([
      "10.0.1.6 10.0.1.7 ttl=600",
      "10.0.1.3 ttl=600",
      "10.0.1.32 ttl=600",
    ]);
  });

  test("upstreams: the sandbox's, else its networks', else the node's; suffixes add up", () => {
    const t = new Tables();
    const policy = {
      ...DEFAULT_POLICY,
      upstreams: [
        { address: "192.0.2.9", port: 53 },
        { address: "192.0.2.8", port: 53, domains: ["corp"] },
      ],
    };
    const text = `
      network a overlay 10.0.1.0/24 up=192.0.2.1
      network b overlay 10.0.2.0/24
      container x on a ip=10.0.1.2
      container y on b ip=10.0.2.2
      container z on a ip=10.0.1.3
      sandbox x
      sandbox y
      sandbox z up=192.0.2.5
      sandbox none of=y up=`;
    t.apply(new Compiler(policy).compile(stateOf(changes(text)), "all"));
    const of = (id: string) =>
      t
        .scope(id)!
        .upstreams.map((u) => u.address)
        .join(" ");
    expect(["x", "y", "z", "none"].map(of)).toEqual([
      "192.0.2.8 192.0.2.1",
      "192.0.2.8 192.0.2.9",
      "192.0.2.8 192.0.2.5",
      "",
    ]);
  });
});
