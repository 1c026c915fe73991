/**
 * Config files that are nearly right: parseConfig throws nothing but a ConfigError and takes no time; what it lets pass, the
 * registry takes or refuses with one, and names can be asked for.
 */
import fc from "fast-check";
import { stringify } from "yaml";
import { ConfigError, parseConfig } from "../../src/config/load.ts";
import { nameKey } from "../../src/model/name.ts";
import { Registry } from "../../src/registry/registry.ts";
import { Compiler } from "../../src/scoping/compile.ts";
import { Tables } from "../../src/scoping/tables.ts";
import { applyConfig } from "../support/apply-config.ts";
import { damaged, text } from "./arbitraries.ts";
import { fuzz, must } from "./fuzz.ts";

const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("n", "m", "web", "c", "web.1", "my net", "constructor", "toString") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("__proto__", "a..b", "*.x", "x".repeat(64), "", " ", "ü", "1", "${HOST:-h}"),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 6 }) },
);
const address = fc.oneof(
  fc.nat(300).map((n) => `10.0.1.${n}`),
  fc.constantFrom("fd00::2", "192.0.2.1:53", "[::1]:53", "10.0.1.0/24", "fd00:1::/64", ""),
);
const scalar = fc.oneof(
  name,
  address,
  fc.nat(70_000),
  fc.boolean(),
  fc.constantFrom(null, -1, 1.5, "8080:80/udp", "a=b"),
);
const KEYS = [
  "id driver subnet subnet6 gateway internal ingress upstreams ttl stable dynamic negative address port domains",
  "networks aliases vip vip6 ip ip6 links priority endpoint_mode publish mode replicas tasks ports labels balance slot node",
  "state health container_id hostname weight target published protocol traffic name container task listen source ndots search",
  "netns bind resolv_conf backend placement idle tcp mesh host bridge to compat hostnames forwarder cache entries workers",
].flatMap((line) => line.split(" "));
const key = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...KEYS) }, { weight: 1, arbitrary: name });
/** Anything at all, of words that mean something. */
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie("tree")), { maxLength: 5 }).map((e) => Object.fromEntries(e)),
  ),
}));

/** Each part in its place, most of the time right, sometimes a tree. */
const some = <T>(right: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: right as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: tree });
const map = (k: fc.Arbitrary<string>, v: fc.Arbitrary<unknown>) =>
  fc.array(fc.tuple(k, v), { maxLength: 4 }).map((e) => Object.fromEntries(e));
const parts = (of: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record(Object.fromEntries(Object.entries(of).map(([k, v]) => [k, some(v)])), { requiredKeys: [] });
const ttl = parts({ stable: fc.nat(100), dynamic: fc.nat(100) });
const upstreams = fc.array(fc.oneof(address, parts({ address, port: fc.nat(70_000), domains: fc.array(name) })), {
  maxLength: 3,
});
const endpoint = parts({
  ip: address,
  aliases: fc.array(name, { maxLength: 3 }),
  links: fc.array(name),
  priority: fc.nat(3),
});
const attached = fc.oneof(fc.constant(["n"]), fc.array(name, { maxLength: 3 }), map(name, endpoint));
const network = parts({ subnet: address, subnet6: address, gateway: address, internal: fc.boolean(), upstreams, ttl });
const task = parts({
  slot: fc.nat(4),
  id: name,
  node: name,
  state: fc.constantFrom("running", "draining"),
  networks: attached,
});
const service = fc
  .tuple(
    attached,
    parts({
      endpoint_mode: fc.constantFrom("vip", "dnsrr"),
      replicas: fc.nat(5),
      tasks: fc.array(task, { maxLength: 3 }),
      ports: fc.array(fc.oneof(fc.constantFrom("8080:80", "80"), fc.nat(70_000))),
      labels: map(name, name),
      ttl,
    }),
  )
  .map(([networks, rest]) => ({ networks, ...rest }));
const container = fc
  .tuple(attached, parts({ id: name, hostname: name, labels: map(name, name) }))
  .map(([networks, rest]) => ({ networks, ...rest }));
const sandbox = fc
  .tuple(
    fc.oneof(
      name.map((c) => ({ container: c })),
      name.map((t) => ({ task: t })),
    ),
    parts({ listen: address, upstreams, ndots: fc.nat(3), search: fc.array(name), netns: name }),
  )
  .map(([member, rest]) => ({ ...member, ...rest }));
const file = fc
  .tuple(
    parts({
      compat: fc.constantFrom("none", "docker"),
      ttl,
      hostnames: fc.boolean(),
      upstreams,
      workers: fc.nat(9),
      networks: map(name, network),
    }),
    parts({
      services: map(name, service),
      containers: map(name, container),
      sandboxes: map(name, sandbox),
      balance: tree,
    }),
  )
  .map(([options, objects]) => ({ networks: { n: { subnet: "10.0.1.0/24" } }, ...options, ...objects }));

const written = fc
  .tuple(fc.oneof({ weight: 8, arbitrary: file }, { weight: 1, arbitrary: tree }), fc.boolean())
  .map(([value, json]) => (json ? JSON.stringify(value) : stringify(value, { lineWidth: 0 })));
/** What YAML has beside values. */
const token = fc.constantFrom(
  "&a ", "*a", "<<: *a", "!!set ", "!!binary ", "!x ", "? ", ": ", "- ", "\n", "\n  ", "[", "]", "{", "}", ",", "%YAML 1.1\n---\n", "---\n", "...\n", "|", ">-", "#", '"', "'", "\t", "networks: ", "n: ", "${A:-", "$$", "}", "\\x00", "~",
); // biome-ignore format: one list
const soup = fc.array(token, { maxLength: 40 }).map((tokens) => tokens.join(""));

fuzz(
  "config",
  damaged(text(fc.oneof({ weight: 6, arbitrary: written }, { weight: 1, arbitrary: soup }))),
  (input) => {
    const registry = new Registry();
    try {
      applyConfig(registry, parseConfig(Buffer.from(input).toString(), "f.yaml", {}));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      must(error.problems.length > 0, "something is wrong with it");
      for (const { line, column, message } of error.problems)
        must(line >= 0 && column >= 0 && message !== "", `a place and a reason: ${line}:${column} ${message}`);
      return;
    }
    const tables = new Tables();
    tables.apply(structuredClone(new Compiler().compile(registry.state, "all")));
    for (const id of registry.state.sandboxes.keys())
      for (const asked of ["web", "web.n", "9.web", "x.x", "9.1.0.10.in-addr.arpa"])
        must(tables.scope(id)!.lookup(nameKey(asked), 1) !== undefined, asked);
  },
  { slowest: 3_000 },
);
