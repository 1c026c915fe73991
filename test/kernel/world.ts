/**
 * A node of a swarm, wired in namespaces, so that the real host's rules are never touched:
 *
 *   lan       bridges: blue 10.77.1.0/24, green 10.77.2.0/24, mesh 10.77.0.0/24 (the routing mesh), each with IPv6 fd77:N::/64
 *   t1 … t5   tasks: on all three, and on the host's bridge, which is their way out; replies to what came through the mesh
 *             go back to the ingress sandbox
 *   c1, c2    clients: on blue, green and the host's bridge
 *   blue-lb, green-lb, ingress   load-balancer sandboxes, at .3 of their networks; ingress is on the host's bridge, too
 *   host      the host, with the bridge `gw` 172.30.0.1/24, fd30::1/64
 *   outside   another machine, 192.0.2.2 and fd99::2; the host is 192.0.2.1 and fd99::1 for it
 */
import { freshNamespace, type Namespace } from "./namespaces.ts";
import { Peer } from "./peer.ts";

export const TASKS = ["t1", "t2", "t3", "t4", "t5"] as const;
export const CLIENTS = ["c1", "c2"] as const;
/** Port that tasks listen on. */
export const PORT = 80;

export type NetworkName = "blue" | "green" | "mesh" | "gw";
const PREFIX: Record<NetworkName, readonly [string, string]> = {
  blue: ["10.77.1.", "fd77:1::"],
  green: ["10.77.2.", "fd77:2::"],
  mesh: ["10.77.0.", "fd77::"],
  gw: ["172.30.0.", "fd30::"],
};

/** Host part of each member's addresses, the same on each of its networks. */
const NUMBER: Readonly<Record<string, number>> = {
  ...Object.fromEntries(TASKS.map((name, i) => [name, 11 + i])),
  ...Object.fromEntries(CLIENTS.map((name, i) => [name, 101 + i])),
  "blue-lb": 3,
  "green-lb": 3,
  ingress: 3,
  host: 1,
};

/** "10.77.1.11": the member's address on a network; a number is the host part itself. */
export const addressOf = (member: string | number, network: NetworkName, family: 4 | 6): string =>
  `${PREFIX[network][family === 4 ? 0 : 1]}${typeof member === "number" ? member : NUMBER[member]}`;

/** The network's range. */
export const cidrOf = (network: NetworkName, family: 4 | 6): string =>
  family === 4 ? `${PREFIX[network][0]}0/24` : `${PREFIX[network][1]}/64`;

/** Addresses between host and outside. */
export const OUTSIDE = { 4: "192.0.2.2", 6: "fd99::2" } as const;
export const HOST = { 4: "192.0.2.1", 6: "fd99::1" } as const;

export interface World {
  readonly namespaces: Readonly<Record<string, Namespace>>;
  /** Processes in tasks, clients, host and outside. Tasks serve at all their addresses. */
  readonly peers: Readonly<Record<string, Peer>>;
  /** Removes everything; also called by makeWorld if it fails half way. */
  close(): Promise<void>;
}

const NAMES = ["lan", "host", "outside", "ingress", "blue-lb", "green-lb", ...TASKS, ...CLIENTS];

export async function makeWorld(): Promise<World> {
  const namespaces: Record<string, Namespace> = {};
  const peers: Record<string, Peer> = {};
  const close = async () => {
    for (const peer of Object.values(peers)) peer.end();
    await Promise.all(Object.values(namespaces).map((namespace) => namespace.remove()));
  };
  try {
    for (const name of NAMES) namespaces[name] = await freshNamespace(name);
    await wire(namespaces);
    const inside = [...TASKS, ...CLIENTS, "host", "outside"];
    await Promise.all(
      inside.map(async (name) => {
        peers[name] = await Peer.start(name, namespaces[name]!);
      }),
    );
    for (const task of TASKS) await peers[task]!.serve(addressesOf(task), PORT);
    return { namespaces, peers, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export const addressesOf = (task: string): string[] =>
  (["blue", "green", "mesh", "gw"] as const).flatMap((network) => [
    addressOf(task, network, 4),
    addressOf(task, network, 6),
  ]);

async function wire(at: Record<string, Namespace>): Promise<void> {
  const lan = at["lan"]!;
  const host = at["host"]!;
  for (const bridge of ["blue", "green", "mesh"]) await lan.run("ip", "link", "add", bridge, "up", "type", "bridge");
  await host.run("ip", "link", "add", "gw", "up", "type", "bridge");
  await host.run("ip", "addr", "add", `${addressOf("host", "gw", 4)}/24`, "dev", "gw");
  await host.run("ip", "addr", "add", `${addressOf("host", "gw", 6)}/64`, "dev", "gw", "nodad");
  for (const name of TASKS)
    for (const network of ["blue", "green", "mesh", "gw"] as const) await plug(at, name, network);
  for (const name of CLIENTS) for (const network of ["blue", "green", "gw"] as const) await plug(at, name, network);
  await plug(at, "blue-lb", "blue");
  await plug(at, "green-lb", "green");
  await plug(at, "ingress", "mesh");
  await plug(at, "ingress", "gw");
  await plugOutside(host, at["outside"]!);
  for (const name of [...TASKS, ...CLIENTS, "ingress"]) await wayOut(at[name]!);
  for (const task of TASKS) await wayBack(at[task]!, task);
  // A swarm node's load-balancer sandboxes and the host pass packets on.
  for (const name of ["host", "ingress", "blue-lb", "green-lb"])
    await at[name]!.run(
      "sh",
      "-c",
      "for f in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 > /proc/sys/net/$f; done",
    );
}

/** Interfaces are called like their network. */
async function plug(at: Record<string, Namespace>, name: string, network: NetworkName): Promise<void> {
  const member = at[name]!;
  const far = at[network === "gw" ? "host" : "lan"]!;
  const port = `${network}-${name}`;
  const link = ["type", "veth", "peer", "name", port, "netns", far.name];
  await member.run("ip", "link", "add", network, ...link);
  await far.run("ip", "link", "set", port, "master", network, "up");
  await address(member, network, addressOf(name, network, 4), addressOf(name, network, 6));
}

async function plugOutside(host: Namespace, outside: Namespace): Promise<void> {
  await host.run("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", outside.name);
  await address(host, "uplink", HOST[4], HOST[6]);
  await address(outside, "eth0", OUTSIDE[4], OUTSIDE[6]);
}

async function address(member: Namespace, device: string, ip4: string, ip6: string): Promise<void> {
  await member.run("ip", "addr", "add", `${ip4}/24`, "dev", device);
  await member.run("ip", "addr", "add", `${ip6}/64`, "dev", device, "nodad");
  await member.run("ip", "link", "set", device, "up");
}

async function wayOut(member: Namespace): Promise<void> {
  await member.run("ip", "route", "add", "default", "via", addressOf("host", "gw", 4));
  await member.run("ip", "-6", "route", "add", "default", "via", addressOf("host", "gw", 6));
}

/** Replies from the task's address on the mesh return through the ingress sandbox, wherever the client is. */
async function wayBack(task: Namespace, name: string): Promise<void> {
  for (const family of [4, 6] as const) {
    await task.run("ip", `-${family}`, "rule", "add", "from", addressOf(name, "mesh", family), "lookup", "100");
    await task.run("ip", `-${family}`, "route", "add", cidrOf("mesh", family), "dev", "mesh", "table", "100");
    const via = addressOf("ingress", "mesh", family);
    await task.run("ip", `-${family}`, "route", "add", "default", "via", via, "dev", "mesh", "table", "100");
  }
}
