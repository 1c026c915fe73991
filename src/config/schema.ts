/** The config file's shape. Compose's words where compose has them; anything unknown is an error, never ignored. */
import { z } from "zod";
import { BACKEND_NAMES } from "../model/backends.ts";
import { publishedProblem, WIDEST } from "../model/port-range.ts";
import { brief } from "../model/quote.ts";
import {
  address,
  addressOrCidr,
  alias,
  cidr,
  device,
  domain,
  family,
  name,
  portRange,
  seconds,
  spacedName,
  splitHostPort,
  splitPort,
} from "./words.ts";

const ttl = z.strictObject({
  stable: seconds.optional().describe("seconds for what stays: VIPs"),
  dynamic: seconds.optional().describe("seconds for what comes and goes: tasks, containers, dnsrr"),
});
const labels = z.union([z.record(z.string(), z.coerce.string()), z.array(z.string().regex(/=/, "must be key=value"))]);

const upstream = z.union([
  z.string().refine((v) => splitHostPort(v) !== undefined && splitHostPort(v)?.port !== 0, {
    error: (i) => `must be an address, address:port or [address]:port, got "${brief(`${i.input}`)}"`,
  }),
  z.strictObject({
    address,
    port: z.int().min(1).max(65_535).optional(),
    domains: z.array(domain).min(1).optional().describe("only names at or below these are asked there"),
  }),
]);
const upstreams = z.array(upstream);

const network = z
  .strictObject({
    id: z.string().min(1).optional(),
    driver: z
      .string()
      .min(1)
      .optional()
      .describe('default "overlay"; overlays come first when a name is on several networks'),
    subnet: z
      .union([family(4), z.array(family(4))])
      .optional()
      .describe("IPv4; allocated from 10.0.0.0/8 if left out"),
    subnet6: z
      .union([family(6), z.array(family(6))])
      .optional()
      .describe("IPv6"),
    gateway: address.optional(),
    gateway6: address.optional(),
    internal: z.boolean().optional().describe("nothing is forwarded for sandboxes on internal networks only"),
    ingress: z.boolean().optional().describe("the routing mesh: gives no names"),
    default_bridge: z.boolean().optional().describe("Docker's default bridge: gives no names"),
    upstreams: upstreams.optional(),
    ttl: ttl.optional(),
  })
  .nullable();

const serviceNetwork = z
  .strictObject({ aliases: z.array(alias).optional(), vip: address.optional(), vip6: address.optional() })
  .nullable();
const endpoint = z
  .strictObject({
    ip: address.optional(),
    ip6: address.optional(),
    aliases: z.array(alias).optional(),
    links: z.array(z.string().regex(/^[^:]+(:[^:]+)?$/, "must be container or container:alias")).optional(),
    priority: z.int().optional(),
  })
  .nullable();
const attached = <T extends z.ZodType>(one: T) => z.union([z.array(z.string()), z.record(z.string(), one)]);

const state = z.enum(["starting", "running", "paused", "draining", "stopped"]);
const task = z.strictObject({
  slot: z.int().min(1).optional(),
  id: name.optional(),
  node: name.optional(),
  state: state.optional(),
  health: z.enum(["none", "starting", "healthy", "unhealthy"]).optional(),
  container_id: z.string().optional(),
  hostname: name.optional(),
  networks: attached(endpoint).optional().describe("default: the service's networks"),
  weight: z.int().min(1).max(65_535).optional().describe("share of the connections; default 1"),
  labels: labels.optional(),
});

const portNumber = z.int().min(1).max(65_535);
const port = z.union([
  z.string().refine((v) => splitPort(v) !== undefined, {
    error: (i) =>
      `must be [published:]target[/protocol] such as 8080:80/tcp or 9000-9010:8000-8010/udp (as many on both sides, ${WIDEST} at most), got "${brief(`${i.input}`)}"`,
  }),
  portNumber,
  z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i, "must be letters, digits and inner hyphens")
        .optional(),
      target: z.union([portNumber, portRange]).describe("port inside the task, or a range such as 8000-8010"),
      published: z
        .union([z.int().min(0).max(65_535), portRange])
        .optional()
        .describe("as many as target; 0: allocated from 30000-32767; left out: not published, SRV only"),
      protocol: z.enum(["tcp", "udp", "sctp"]).optional(),
      mode: z.enum(["ingress", "host"]).optional(),
      traffic: z
        .enum(["cluster", "local"])
        .optional()
        .describe("local: only tasks of the node that was asked, which see the client's address"),
      sources: z
        .array(addressOrCidr)
        .min(1)
        .max(1_000)
        .optional()
        .describe("who may reach it where it is published; others' packets are dropped. Default: anybody"),
    })
    .superRefine(({ target, published, sources }, ctx) => {
      const message = publishedProblem(target, published);
      if (message !== undefined)
        ctx.addIssue({ code: "custom", message: `${message}, got "${brief(`${published}`)}"`, path: ["published"] });
      if (sources !== undefined && published === undefined)
        ctx.addIssue({
          code: "custom",
          message: "needs published: it is about who comes from outside",
          path: ["sources"],
        });
    }),
]);

const balance = z.strictObject({
  scheduler: z.enum(["rr", "wrr", "lc", "wlc", "sh", "mh"]).optional().describe("ipvsadm(8); default rr"),
  affinity: z.int().min(1).max(86_400).optional().describe("seconds that a client address stays with its task"),
  drain: z.int().min(0).max(86_400).optional().describe("seconds that a leaving task may finish its connections"),
});

const service = z.strictObject({
  id: z.string().min(1).optional(),
  networks: attached(serviceNetwork),
  endpoint_mode: z.enum(["vip", "dnsrr"]).optional(),
  publish: z.enum(["healthy", "starting"]).optional().describe("when tasks begin to answer"),
  mode: z
    .enum(["replicated", "global"])
    .optional()
    .describe("global: one task per node, told apart by node, without slots"),
  replicas: z.int().min(0).max(100_000).optional(),
  tasks: z.array(task).optional(),
  ports: z.array(port).optional(),
  vip_ports: z
    .enum(["all", "declared"])
    .optional()
    .describe("declared: ports of its VIPs that are no target of its ports are refused. Default all, as in Docker"),
  labels: labels.optional(),
  ttl: ttl.optional(),
  balance: balance.optional(),
});

const container = z.strictObject({
  id: z.string().min(1).optional(),
  hostname: name.optional(),
  state: state.optional(),
  networks: attached(endpoint),
  labels: labels.optional(),
});

const listen = z.union([
  z.string().refine((v) => splitHostPort(v) !== undefined, {
    error: (i) => `must be address:port or [address]:port, got "${brief(`${i.input}`)}"`,
  }),
  z.strictObject({
    address,
    port: z.int().min(0).max(65_535).optional(),
    source: z
      .array(z.union([address, cidr]))
      .min(1)
      .optional()
      .describe("who is this sandbox, where several share the address"),
  }),
]);
const sandbox = z
  .strictObject({
    container: z.string().optional(),
    task: z
      .string()
      .regex(/^.+\.[^.]+$/, "must be service.slot, such as web.1, or service.node of a global service")
      .optional(),
    listen: z.union([listen, z.array(listen)]).optional(),
    upstreams: upstreams.optional(),
    ndots: z.int().min(0).optional().describe("set at all: unknown single-label names are not forwarded"),
    search: z.array(domain).optional(),
    netns: z
      .union([z.string().min(1), z.int().min(1)])
      .optional()
      .describe("network namespace: a path, a pid, or a name that ip netns knows"),
    bind: z
      .enum(["direct", "redirect"])
      .optional()
      .describe("redirect: random ports behind a redirect, for containers that have port 53 themselves"),
    resolv_conf: z
      .union([z.string().min(1), z.strictObject({ root: z.string().min(1), path: z.string().min(1) })])
      .optional()
      .describe(
        "rewritten to point at 127.0.0.11, as Docker does: a path without links, or a path in a container's root",
      ),
  })
  .refine((s) => (s.container === undefined) !== (s.task === undefined), {
    error: "must name either a container or a task",
  });

const place = {
  netns: z.union([z.string().min(1), z.int().min(1)]).describe("network namespace: a path, a pid, or a name"),
  device: device.optional().describe('its interface on the network; default "eth0"'),
  ip: address.optional().describe("its address there"),
  ip6: address.optional(),
};
/** The kernel counts in ticks of a millisecond at the least, in 31 bits. */
const idleSeconds = z.int().min(1).max(2_147_483);
const balanceNode = z.strictObject({
  backend: z
    .enum(["auto", ...BACKEND_NAMES, "none"])
    .optional()
    .describe("auto: ipvs where the kernel has it, else nftables; none: names only"),
  placement: z
    .enum(["sandbox", "network"])
    .optional()
    .describe("where connections to VIPs are balanced: where they start, or in a sandbox per network, as Docker does"),
  idle: z
    .strictObject({ tcp: idleSeconds.optional(), udp: idleSeconds.optional() })
    .optional()
    .describe("seconds that a balanced connection may be silent, where it is balanced; default: the kernel's"),
  networks: z
    .record(z.string(), z.strictObject(place))
    .optional()
    .describe("placement network: this node's load-balancer sandbox of each network"),
  mesh: z
    .strictObject({
      ...place,
      host: z.strictObject({
        netns: z.union([z.string().min(1), z.int().min(1)]).optional(),
        bridge: device.describe("bridge of the host that leads to the ingress sandbox"),
        to: address.optional().describe("the ingress sandbox's address on it"),
        to6: address.optional(),
      }),
    })
    .optional()
    .describe("the routing mesh on this node: its ingress sandbox, and the host that leads to it"),
});

const control = z.strictObject({
  socket: z
    .string()
    .regex(/^\//, "must be an absolute path")
    .optional()
    .describe("of the control API; default /run/eleven/eleven.sock"),
  group: z.string().min(1).optional().describe("whose members may use it, too"),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'must be octal, in quotes: "0660"')
    .optional()
    .describe('who may use it; default "0600", with a group "0660"'),
});

export const schema = z.strictObject({
  compat: z.enum(["none", "docker"]).optional().describe("docker: TTL 600, no AA, no SOA, no OPT, hostnames are names"),
  ttl: ttl.extend({ negative: seconds.optional().describe("seconds a missing name or type is remembered") }).optional(),
  hostnames: z.boolean().optional().describe("a container's or task's hostname is a name, too"),
  upstreams: z
    .union([upstreams, z.literal("resolv.conf"), z.strictObject({ resolv_conf: z.string() })])
    .optional()
    .describe("default: /etc/resolv.conf, watched"),
  forwarder: z
    .strictObject({
      cache: z.union([z.boolean(), z.strictObject({ entries: z.int().min(1).max(1_000_000) })]).optional(),
      max_in_flight: z.int().min(1).max(65_535).optional(),
    })
    .optional(),
  node: name.optional().describe("this node, as tasks name it; default node-1"),
  balance: balanceNode.optional().describe("what the kernel does behind VIPs, where sandboxes have a netns"),
  workers: z.int().min(0).max(64).optional().describe("threads that answer; 0: the main one. Default 1"),
  state_dir: z
    .string()
    .regex(/^\//, "must be an absolute path")
    .optional()
    .describe("what is remembered over restarts; root's alone. Default /var/lib/eleven"),
  transport: z.enum(["batched", "dgram"]).optional().describe("dgram: node's own sockets. Default batched, on Linux"),
  control: control.optional().describe("the control API of eleven agent"),
  networks: z.record(spacedName, network).optional(),
  services: z.record(z.string(), service).optional(),
  containers: z.record(name, container).optional(),
  sandboxes: z.record(spacedName, sandbox).optional(),
});

export type ConfigFile = z.output<typeof schema>;
