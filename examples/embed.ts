/**
 * A resolver inside a program of yours: one container on one network, asked over DNS. Where the container has a network namespace
 * of its own, `netns` in the sandbox puts the resolver at 127.0.0.11:53 in there (as root); here it is a port on loopback.
 *
 *   npx tsx embed.ts
 */
import { Resolver } from "node:dns/promises";
import { type Change, createNode } from "eleven-dns";

const container = (id: string, name: string, aliases: readonly string[] = []): Change => ({
  kind: "container.put",
  container: {
    id,
    name,
    state: "running",
    labels: {},
    endpoints: [{ network: "n1", aliases, links: [], priority: 0 }],
  },
});

const node = createNode({ onNotice: (message) => console.error(`eleven: ${message}`) });
node.apply([
  {
    kind: "network.put",
    network: {
      id: "n1",
      name: "mynet",
      driver: "bridge",
      ingress: false,
      defaultBridge: false,
      internal: false,
      subnets: [{ cidr: "10.0.1.0/24" }],
    },
  },
  container("c1", "db", ["database"]),
  {
    kind: "sandbox.put",
    sandbox: { id: "s1", member: { kind: "container", id: "c1" }, listen: [{ address: "127.0.0.1", port: 0 }] },
  },
]);
await node.ready(); // its sockets are open

const [at] = node.listening("s1");
const resolver = new Resolver();
resolver.setServers([`127.0.0.1:${at?.port}`]);
for (const name of ["db", "database", "db.mynet"]) console.log(`${name}: ${await resolver.resolve4(name)}`);
console.log(`10.0.1.2: ${await resolver.reverse("10.0.1.2")}`);

node.apply([container("c2", "web")]);
await node.applied(); // every answer comes from it
console.log(`web: ${await resolver.resolve4("web")}`);

await node.close();
