/** Why a batch is refused: every reason, not the first one alone, and none twice over. */
import { expect, test } from "vitest";
import type { ChangeInput } from "../../src/model/input.ts";
import { Registry } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";

const told = (registry: Registry, batch: readonly ChangeInput[], missing?: Parameters<Registry["refusals"]>[1]) =>
  registry.refusals(batch, missing).map(({ index, message }) => `${index}: ${message}`);

const THERE = "network n overlay 10.0.1.0/24\n container old on n ip=10.0.1.9";

test.each<[string, string, string[]]>([
  ["nothing is wrong", "network m overlay 10.0.2.0/24\n service web on m\n task web.1 on m", []],
  [
    "two reasons, and what is right between them",
    "network m overlay 10.0.1.0/25\n container a on n ip=10.0.1.9\n container b on n\n container c on n ip=10.0.3.1",
    [
      "0: network m: subnet 10.0.1.0/25 overlaps network n (10.0.1.0/24)",
      "1: container a: 10.0.1.9 is already used by container old on network n",
      "3: container c: 10.0.3.1 is outside the subnets of network n (10.0.1.0/24)",
    ],
  ],
  [
    "whoever is on a network that was refused is not told that it is missing, nor are those on it",
    "network m overlay 10.0.1.0/25\n service web on m\n task web.1 on m\n container c on m",
    ["0: network m: subnet 10.0.1.0/25 overlaps network n (10.0.1.0/24)"],
  ],
])("%s", (_, text, expected) => {
  const registry = new Registry();
  registry.apply(changes(THERE));
  expect(told(registry, changes(text)).map((line) => line.replace(/ \(.*?\) /, " "))).toEqual(expected);
});

const MISSING = (kind: string, id: string) => kind === "network" && id === "x";

test.each<[string, ChangeInput[], string[]]>([
  [
    "what can't be read, and what builds on it",
    [
      { kind: "network.put", network: { id: "m", name: "" } },
      { kind: "service.put", service: { id: "web", name: "web", mode: "vpi" as "vip" } },
      { kind: "task.put", task: { service: "web", slot: 1 } },
      { kind: "container.put", container: { name: "c", endpoints: [{ network: "m" }, { network: "z" }] } },
    ],
    ['0: network: name "" is empty', '1: service.put "web": service.mode must be "vip" or "dnsrr", not "vpi"'],
  ],
  [
    "somebody else says that it is missing",
    [{ kind: "container.put", container: { name: "c", endpoints: [{ network: "x" }] } }],
    [],
  ],
  [
    "sandboxes of nobody, and of somebody who was refused",
    [
      { kind: "container.put", container: { name: "a", endpoints: [{ network: "no" }] } },
      { kind: "sandbox.put", sandbox: { id: "s", member: { kind: "container", id: "a" } } },
      { kind: "sandbox.put", sandbox: { id: "t", member: { kind: "container", id: "b" } } },
    ],
    [
      '0: container a: there is no network "no"',
      '2: sandbox t: there is no container "b"; put it before, or in the same batch',
    ],
  ],
  [
    "a network that is still in use, because its users could not leave it",
    [
      { kind: "container.put", container: { id: "old", name: "old", endpoints: [{ network: "no" }] } },
      { kind: "network.remove", id: "n" },
    ],
    ['0: container old: there is no network "no"'],
  ],
  [
    "a network that is in use",
    [{ kind: "network.remove", id: "n" }],
    ["0: network n can't be removed while it is in use by container old"],
  ],
  [
    "what a refused change had taken is free",
    [
      {
        kind: "container.put",
        container: { name: "a", endpoints: [{ network: "n", ip4: "10.0.1.7" }, { network: "no" }] },
      },
      { kind: "container.put", container: { name: "b", endpoints: [{ network: "n", ip4: "10.0.1.7" }] } },
    ],
    ['0: container a: there is no network "no"'],
  ],
])("%s", (_, batch, expected) => {
  const registry = new Registry();
  registry.apply(changes(THERE));
  const before = structuredClone(registry.state.containers);
  expect(told(registry, batch, MISSING)).toEqual(expected);
  expect([registry.revision, registry.state.containers]).toEqual([1, before]);
});
