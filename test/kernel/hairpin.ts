/** A task that connects to a port which it has published itself, for every backend: whichever way it takes, it reaches a task. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { LbBackend } from "../../src/lb-programmer/backends/backend.ts";
import type { Port } from "../../src/model/types.ts";
import { type Family, Swarm } from "./swarm.ts";
import { names, type TrafficOptions } from "./traffic.ts";
import { addressOf, HOST, makeWorld, PORT, type World } from "./world.ts";

const PUBLISHED = 8080;

/** Where the task connects to. */
const WAYS: readonly (readonly [string, (family: Family) => string])[] = [
  ["the host's bridge", (family) => addressOf("host", "gw", family)],
  ["the host's other address", (family) => HOST[family]],
];

export function hairpinSuite(
  name: string,
  makeBackend: () => LbBackend,
  { families = [4, 6] }: Pick<TrafficOptions, "families">,
): void {
  describe(`to itself: ${name}`, () => {
    let world: World;
    let backend: LbBackend;
    let swarm: Swarm;
    beforeAll(async () => {
      world = await makeWorld();
      backend = makeBackend();
      swarm = new Swarm(world, backend, "sandbox");
    });
    afterAll(async () => {
      backend?.close?.();
      await world?.close();
    });
    beforeEach(() => swarm.reset());

    const host = () => world.namespaces["host"]!;
    const filtered = (value: "0" | "1") =>
      host().run("sh", "-c", `for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo ${value} > $f; done`);
    const publish = (port: Partial<Port>): readonly Port[] =>
      (["tcp", "udp"] as const).map((protocol) => ({
        protocol,
        target: PORT,
        published: PUBLISHED,
        mode: "ingress",
        ...port,
      }));
    const ask = async (client: string, to: string) => ({
      tcp: names(await world.peers[client]!.ask(to, PUBLISHED, { count: 6 })),
      udp: names(await world.peers[client]!.ask(to, PUBLISHED, { protocol: "udp", count: 6 })),
    });

    describe.each(["0", "1"] as const)("bridge-nf-call-iptables=%s", (value) => {
      beforeEach(async ({ skip }) => {
        await filtered(value).catch(() => skip("this kernel has no br_netfilter"));
      });

      describe.each(families.map((family) => ({ family })))("IPv$family", ({ family }) => {
        for (const traffic of ["cluster", "local"] as const)
          test.each(WAYS)(`traffic "${traffic}", at %s`, async (_, to) => {
            swarm.service("web", { ports: publish({ traffic }) });
            swarm.task("t1", "web");
            await swarm.settle();
            expect(await ask("t1", to(family))).toEqual({ tcp: ["t1"], udp: ["t1"] });
            swarm.task("t2", "web");
            await swarm.settle();
            expect(await ask("t1", to(family))).toEqual({ tcp: ["t1", "t2"], udp: ["t1", "t2"] });
          });

        test.each(["t1", "t2", "host", "outside"])("host mode, from %s", async (client) => {
          const port = { port: PUBLISHED, bridge: "gw", to: addressOf("t1", "gw", family), toPort: PORT } as const;
          const published = (["tcp", "udp"] as const).map((protocol) => ({ ...port, protocol }));
          // Such a bridge hands a packet back to the port that it came from only if it is told to: docs/load-balancing.md.
          await host().run(
            "ip",
            "link",
            "set",
            "gw-t1",
            "type",
            "bridge_slave",
            "hairpin",
            value === "1" ? "on" : "off",
          );
          await backend.apply(
            swarm.target("host"),
            published.map((published) => ({ op: "published.add", published })),
            { ...swarm.plan(swarm.target("host")), published },
          );
          expect(await ask(client, HOST[family])).toEqual({ tcp: ["t1"], udp: ["t1"] });
        });
      });
    });
  });
}
