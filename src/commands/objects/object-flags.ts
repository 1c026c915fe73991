/** The flags of `create` and `update` for each kind of object, as docker calls them where docker has them, and which field each one fills. */
import { list } from "../text/json.ts";
import { UsageError } from "../usage.ts";
import { add, addTo, type Draft, type Flag, inside, ofNetwork, removeFrom, set, whole, yes } from "./filling.ts";
import type { Kind } from "./nouns.ts";
import { ENDPOINTS, LABELS, TTL, UPSTREAM } from "./shared-flags.ts";
import { exposedPort, listen, publishedPort, serviceNetwork } from "./spoken.ts";

export const FLAGS: Readonly<Record<Kind, readonly Flag[]>> = {
  network: [
    {
      flags: "--subnet <CIDR>",
      about: "default: the next free /24 of 10.0.0.0/8",
      many: true,
      into: add("subnets", (cidr) => ({ cidr })),
    },
    {
      flags: "--gateway <ADDRESS>",
      about: "of the subnet in the same place; never handed out",
      many: true,
      into: gateway,
    },
    {
      flags: "--driver <NAME>",
      about: 'default "overlay"; overlays come first where a name is on several networks',
      into: set("driver"),
    },
    {
      flags: "--internal",
      about: "nothing is forwarded for sandboxes on internal networks only",
      into: set("internal", yes),
    },
    { flags: "--ingress", about: "the routing mesh: carries traffic, gives no names", into: set("ingress", yes) },
    UPSTREAM,
    ...TTL,
  ],
  service: [
    {
      flags: "--network <NETWORK>",
      about: "a network it is on; name=N,alias=A,vip=V says more",
      only: "create",
      many: true,
      into: add("networks", serviceNetwork),
    },
    {
      flags: "--network-add <NETWORK>",
      about: "one more network",
      only: "update",
      many: true,
      into: addTo("networks", serviceNetwork),
    },
    {
      ...{ flags: "--network-rm <NETWORK>", about: "leave a network", only: "update", many: true },
      into: removeFrom("networks", ({ network }, text) => network === text),
    },
    {
      ...{ flags: "--alias <NAME>", about: "another name on that network", only: "create", many: true },
      into: ofNetwork("--alias", "networks", (v, { aliases }) => ({ aliases: [...((aliases as string[]) ?? []), v] })),
    },
    {
      flags: "-p, --publish <PORT>",
      about: "a port to the outside: 8080:80/tcp, or target=80,published=8080,name=http",
      only: "create",
      many: true,
      into: add("ports", publishedPort),
    },
    {
      flags: "--publish-add <PORT>",
      about: "one more of them",
      only: "update",
      many: true,
      into: addTo("ports", publishedPort),
    },
    {
      ...{ flags: "--publish-rm <TARGET>", about: "no more of the port with this target", only: "update", many: true },
      into: removeFrom(
        "ports",
        ({ target, protocol }, text) => `${target}` === text || `${target}/${protocol}` === text,
      ),
    },
    {
      flags: "--expose <PORT>",
      about: "a port for SRV alone: 80/tcp, or target=80,name=http",
      only: "create",
      many: true,
      into: add("ports", exposedPort),
    },
    {
      flags: "--endpoint-mode <MODE>",
      about: "a virtual IP, or the addresses of its tasks",
      choices: ["vip", "dnsrr"],
      into: set("mode"),
    },
    {
      flags: "--answer-when <HEALTH>",
      about: "when its tasks begin to answer",
      choices: ["healthy", "starting"],
      into: set("publish"),
    },
    {
      flags: "--vip-ports <WHICH>",
      about: "which ports of its virtual IPs lead to its tasks",
      choices: ["all", "declared"],
      into: set("vipPorts"),
    },
    {
      flags: "--scheduler <NAME>",
      about: "how connections are shared: ipvsadm(8)",
      choices: ["rr", "wrr", "lc", "wlc", "sh", "mh"],
      into: inside("balance", "scheduler"),
    },
    {
      flags: "--affinity <SECONDS>",
      about: "so long a client address stays with its task",
      into: inside("balance", "affinity", whole),
    },
    {
      flags: "--drain <SECONDS>",
      about: "so long a leaving task may finish its connections",
      into: inside("balance", "drain", whole),
    },
    ...[...LABELS, ...TTL],
  ],
  task: [
    { flags: "--service <SERVICE>", about: "whose task it is", only: "create", into: set("service") },
    { flags: "--slot <NUMBER>", about: "its replica number, from 1", only: "create", into: set("slot", whole) },
    { flags: "--node <NAME>", about: 'where it runs; default "node-1"', into: set("node") },
    {
      flags: "--health <HEALTH>",
      about: "what its check says",
      choices: ["none", "starting", "healthy", "unhealthy"],
      into: set("health"),
    },
    { flags: "--weight <NUMBER>", about: "its share of the service's connections, from 1", into: set("weight", whole) },
    {
      flags: "--container-id <ID>",
      about: "the container behind it: the first 12 characters are a name",
      into: set("containerId"),
    },
    ...[...ENDPOINTS, ...LABELS],
  ],
  container: [...ENDPOINTS, ...LABELS],
  sandbox: [
    { flags: "--container <CONTAINER>", about: "whose sandbox it is", into: member("container") },
    { flags: "--task <TASK>", about: "or a task's", into: member("task") },
    {
      flags: "--netns <NAMESPACE>",
      about: "its network namespace: a name of ip netns, a path, or a pid",
      into: set("netns"),
    },
    {
      flags: "--listen <ADDRESS:PORT>",
      about: "where it is answered; default: 127.0.0.11:53 in its namespace",
      many: true,
      into: add("listen", listen),
    },
    {
      flags: "--bind <HOW>",
      about: "port 53 itself, or a redirect to others as Docker has it",
      choices: ["direct", "redirect"],
      into: set("bind"),
    },
    {
      flags: "--resolv-conf <PATH>",
      about: "a file that is rewritten so that 127.0.0.11 is asked",
      into: set("resolvConf"),
    },
    { flags: "--ndots <NUMBER>", about: "unknown names of one label are not forwarded", into: set("ndots", whole) },
    { flags: "--search <DOMAIN>", about: "a search domain", many: true, into: add("search") },
    UPSTREAM,
  ],
};

function gateway(draft: Draft, value: string): void {
  const subnets = list(draft["subnets"]);
  const at = subnets.findIndex((subnet) => subnet["gateway"] === undefined);
  if (at < 0) throw new UsageError(`--gateway ${value}: there is no subnet for it; --subnet CIDR --gateway ADDRESS`);
  draft["subnets"] = subnets.map((subnet, i) => (i === at ? { ...subnet, gateway: value } : subnet));
}

function member(kind: "container" | "task"): Flag["into"] {
  return (draft, id) => {
    if (draft["member"] !== undefined)
      throw new UsageError("--container or --task: a sandbox is of one of them, not of both");
    draft["member"] = { kind, id };
  };
}
