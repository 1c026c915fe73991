/** How long an answer may be kept: the narrowest setting wins. */
import { expect, test } from "vitest";
import type { Network, Service, Ttl } from "../../src/model/types.ts";
import { DEFAULT_POLICY, ttlOf } from "../../src/scoping/policy.ts";
import { changes, stateOf } from "../support/world.ts";

const state = stateOf(changes("network n overlay 10.0.1.0/24\n service web on n"));
const network = (ttl?: Ttl): Network => ({ ...state.networks.get("n")!, ...(ttl && { ttl }) });
const service = (ttl?: Ttl): Service => ({ ...state.services.get("web")!, ...(ttl && { ttl }) });

test.each<[string, Ttl | undefined, Ttl | undefined, [stable: number, dynamic: number]]>([
  ["the node's", undefined, undefined, [600, 5]],
  ["the network's", undefined, { stable: 30, dynamic: 2 }, [30, 2]],
  ["the service's", { stable: 40, dynamic: 0 }, { stable: 30, dynamic: 2 }, [40, 0]],
  ["of each kind by itself", { stable: 40 }, { dynamic: 2 }, [40, 2]],
])("%s", (_, ofService, ofNetwork, expected) => {
  const ttl = (policy: typeof DEFAULT_POLICY) =>
    (["stable", "dynamic"] as const).map((kind) => ttlOf(policy, kind, network(ofNetwork), service(ofService)));
  expect(ttl(DEFAULT_POLICY)).toEqual(expected);
  expect(ttl({ ...DEFAULT_POLICY, compat: "docker" })).toEqual([600, 600]);
});

test("containers have no service", () => {
  expect([
    ttlOf(DEFAULT_POLICY, "dynamic", network()),
    ttlOf(DEFAULT_POLICY, "dynamic", network({ dynamic: 3 })),
  ]).toEqual([5, 3]);
});

test("what an operator has who chooses nothing", () => {
  expect(DEFAULT_POLICY).toEqual({
    compat: "none",
    ttl: { stable: 600, dynamic: 5, negative: 5 },
    hostnames: false,
    upstreams: [],
    ndots: false,
  });
});
