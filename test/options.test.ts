/** What `createNode` is given is checked before anything is opened. */
import { expect, test } from "vitest";
import type { z } from "zod";
import { createNode, type NodeOptions } from "../src/daemon.ts";
import { FakeBackend } from "../src/lb-programmer/backends/fake.ts";
import type { Upstream } from "../src/model/types.ts";
import { checkNodeOptions, type nodeOptionsSchema } from "../src/options.ts";

/** The compiler's part: the schema has the options that the type has. */
type Either<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
const same: Either<keyof z.input<typeof nodeOptionsSchema>, keyof NodeOptions> = true;

test.each<[string, unknown, string, string]>([
  ["null", null, "", "options must be an object, not null"],
  ["a list", [], "", "options must be an object, not a list"],
  ["unknown", { worker: 1 }, "worker", "worker is no option; there are policy, forwarder, id, workers, transport"],
  [
    "unknown, deep",
    { policy: { ttl: { stable: 1, dynamic: 1, negative: 1, positive: 1 } } },
    "policy.ttl.positive",
    "is no option; there are stable, dynamic, negative",
  ],
  ["a name that every object has", { toString: 1 }, "toString", "toString is no option"],
  ["__proto__", JSON.parse('{"__proto__":{}}'), "__proto__", "__proto__ is no option"],
  ["workers of text", { workers: "2" }, "workers", 'workers must be a number, not "2"'],
  ["workers of minus one", { workers: -1 }, "workers", "workers must be at least 0, not -1"],
  ["policy null", { policy: null }, "policy", "policy must be an object, not null"],
  ["half a TTL", { policy: { ttl: { stable: 1 } } }, "policy.ttl.dynamic", "policy.ttl.dynamic is missing"],
  [
    "negative TTL",
    { policy: { ttl: { stable: -1, dynamic: 1, negative: 1 } } },
    "policy.ttl.stable",
    "must be at least 0, not -1",
  ],
  ["compat", { policy: { compat: "swarm" } }, "policy.compat", 'must be "none" or "docker", not "swarm"'],
  [
    "upstream",
    { policy: { upstreams: [{ address: "dns", port: 53 }] } },
    "policy.upstreams[0].address",
    'must be an IP address, not "dns"',
  ],
  ["upstream null", { policy: { upstreams: [null] } }, "policy.upstreams[0]", "must be an object, not null"],
  ["cache true", { forwarder: { cache: true } }, "forwarder.cache", "must be false or an object, not true"],
  [
    "cache, wrong inside",
    { forwarder: { cache: { entries: "9" } } },
    "forwarder.cache.entries",
    'must be a number, not "9"',
  ],
  [
    "backend by a name that we do not have",
    { balance: { backend: "ipfs" } },
    "balance.backend",
    'or a backend (name, probe, read, apply, connections, clear), not "ipfs"',
  ],
  ["half a backend", { balance: { backend: { name: "mine" } } }, "balance.backend", "not an object"],
  ["a network's place", { balance: { networks: [{ network: "n" }] } }, "balance.networks[0].device", "is missing"],
  ["notice", { onNotice: "log" }, "onNotice", 'onNotice must be a function, not "log"'],
])("refused: %s", (_, options, path, message) => {
  expect(() => createNode(options as NodeOptions)).toThrow(
    expect.objectContaining({ name: "OptionsError", code: "options", path, message: expect.stringContaining(message) }),
  );
});

test.each<[string, NodeOptions]>([
  ["nothing", {}],
  [
    "what `serve` gives",
    { forwarder: { cache: { entries: 9 }, maxInFlight: 2 }, keepSockets: true, onNotice: () => {} },
  ],
  [
    "a backend of one's own",
    { balance: { backend: new FakeBackend(), placement: "network", networks: [{ network: "n", device: "eth0" }] } },
  ],
])("taken: %s, as it is", (_, options) => {
  expect(same && checkNodeOptions(options)).toBe(options);
});

test("undefined is left out", async () => {
  const node = createNode({
    workers: undefined,
    policy: { compat: undefined, hostnames: true },
  } as unknown as NodeOptions);
  await node.close();
  expect(checkNodeOptions({ policy: { compat: undefined } } as unknown as NodeOptions).policy).toStrictEqual({});
});

test.each<[string, unknown, string | undefined]>([
  ["none", [], undefined],
  [
    "as resolv.conf has them",
    [
      { address: "192.0.2.1", port: 53, host: true },
      { address: "fe80::1%eth0", port: 53 },
    ],
    undefined,
  ],
  ["nothing", undefined, "upstreams is missing"],
  ["text", ["192.0.2.1"], 'upstreams[0] must be an object, not "192.0.2.1"'],
  ["a name", [{ address: "dns", port: 53 }], 'upstreams[0].address must be an IP address, not "dns"'],
  ["a scope of nothing", [{ address: "fe80::1%", port: 53 }], 'must be an IP address, not "fe80::1%"'],
  ["a scope elsewhere", [{ address: "2001:db8::1%eth0", port: 53 }], 'must be an IP address, not "2001:db8::1%eth0"'],
  ["no port", [{ address: "192.0.2.1" }], "upstreams[0].port is missing"],
  ["a typo", [{ adress: "192.0.2.1", port: 53 }], "upstreams[0].adress is no option; there are address, port"],
])("upstreams given later: %s", async (_, upstreams, message) => {
  const node = createNode({ workers: 0, transport: "dgram" });
  const change = () => node.setUpstreams(upstreams as Upstream[]);
  if (message === undefined) change();
  else expect(change).toThrow(expect.objectContaining({ code: "options", message: expect.stringContaining(message) }));
  await node.close();
});
