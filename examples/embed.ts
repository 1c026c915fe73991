/**
 * A resolver inside a program of yours: one container on one network, asked over DNS. Where the container has a network namespace
 * of its own, `netns` in the sandbox puts the resolver at 127.0.0.11:53 in there (as root); here it is a port on loopback.
 *
 *   npx tsx embed.ts
 */
import { Resolver } from "node:dns/promises";
import { createNode } from "eleven-dns";

const node = createNode();
node.apply([
  { kind: "network.put", network: { name: "mynet", subnets: [{ cidr: "10.0.1.0/24" }] } },
  { kind: "container.put", container: { name: "db", endpoints: [{ network: "mynet", aliases: ["database"] }] } },
  { kind: "sandbox.put", sandbox: { member: { kind: "container", id: "db" }, listen: [{ port: 0 }] } },
]);
await node.ready(); // its sockets are open

const [at] = node.listening("db");
const resolver = new Resolver();
resolver.setServers([`${at?.address}:${at?.port}`]);
for (const name of ["db", "database", "db.mynet"]) console.log(`${name}: ${await resolver.resolve4(name)}`);
console.log(`10.0.1.2: ${await resolver.reverse("10.0.1.2")}`);

node.apply([{ kind: "container.put", container: { name: "web", endpoints: [{ network: "mynet" }] } }]);
await node.applied(); // every answer comes from it
console.log(`web: ${await resolver.resolve4("web")}`);

await node.close();
