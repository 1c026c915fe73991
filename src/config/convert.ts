/** The file's words to those of `apply`: short forms written out, ids made up. What the file leaves out is left out there, too. */
import { createHash } from "node:crypto";
import { canonicalAddress, parseCidr } from "../model/address.ts";
import { DNS_PORT, slotOrNode } from "../model/defaults.ts";
import type {
  ChangeInput,
  ContainerInput,
  EndpointInput,
  ListenInput,
  NetworkInput,
  PortInput,
  SandboxInput,
  ServiceInput,
  SubnetInput,
  TaskInput,
  UpstreamInput,
} from "../model/input.ts";
import { brief } from "../model/quote.ts";
import type { Member, Upstream } from "../model/types.ts";
import { balanceOf, checkBalance, needsMesh } from "./balance.ts";
import type { ControlFile, Options } from "./options.ts";
import type { Complain, Path } from "./problems.ts";
import type { ConfigFile } from "./schema.ts";
import { splitHostPort, splitPort } from "./words.ts";

/** A change and the place in the file that it comes from. */
export interface Located {
  readonly change: ChangeInput;
  readonly path: Path;
}

/** `more`: sandboxes may come that are not in the file. */
export function convertOptions(file: ConfigFile, more = false): Options {
  const { ttl, forwarder, upstreams, control } = file;
  const cache = forwarder?.cache ?? true;
  const balance = balanceOf(file, more);
  return {
    compat: file.compat ?? "none",
    ttl: { stable: ttl?.stable ?? 600, dynamic: ttl?.dynamic ?? 5, negative: ttl?.negative ?? 5 },
    hostnames: file.hostnames ?? false,
    upstreams: Array.isArray(upstreams)
      ? upstreams.map(ownUpstream)
      : { resolvConf: typeof upstreams === "object" ? upstreams.resolv_conf : "/etc/resolv.conf" },
    forwarder: {
      cache: typeof cache === "object" ? cache.entries : cache ? 4_096 : 0,
      maxInFlight: forwarder?.max_in_flight ?? 1_024,
    },
    ...(balance && { balance }),
    workers: file.workers ?? 1,
    transport: file.transport ?? "batched",
    ...(file.state_dir !== undefined && { stateDir: file.state_dir }),
    ...(control && { control: controlOf(control) }),
  };
}

const controlOf = ({ socket, group, mode }: NonNullable<ConfigFile["control"]>): ControlFile => ({
  ...(socket !== undefined && { socket }),
  ...(group !== undefined && { group }),
  ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
});

/** Everything in the file as changes, in the order a registry takes them. What is wrong goes to `complain`. */
export function convertObjects(file: ConfigFile, complain: Complain): Located[] {
  checkBalance(file, complain);
  const tasks = new Map<string, string>();
  return [
    ...networksIn(file),
    ...servicesIn(file, tasks, complain),
    ...containersIn(file),
    ...sandboxesIn(file, tasks, complain),
  ];
}

const entries = <T>(map: Record<string, T> | undefined): [string, T][] => Object.entries(map ?? {});
const networkIds =
  (file: ConfigFile) =>
  (name: string): string =>
    own(file.networks, name)?.id ?? name;

function networksIn(file: ConfigFile): Located[] {
  // As Docker, which makes it with the swarm: published ports need it.
  const ingress = { ...network("ingress", null, "ingress"), ingress: true };
  const mesh: Located = { path: ["balance", "mesh"], change: { kind: "network.put", network: ingress } };
  const given = entries(file.networks).map(
    ([name, given]): Located => ({
      path: ["networks", name],
      change: { kind: "network.put", network: network(name, given, networkIds(file)(name)) },
    }),
  );
  return needsMesh(file) ? [mesh, ...given] : given;
}

/** With their tasks, whose ids go into `tasks` by "service.slot", as sandboxes name them. */
function servicesIn(file: ConfigFile, tasks: Map<string, string>, complain: Complain): Located[] {
  const out: Located[] = [];
  for (const [name, given] of entries(file.services)) {
    const service = serviceOf(name, given, networkIds(file));
    out.push({ path: ["services", name], change: { kind: "service.put", service } });
    const slots = given.tasks ?? Array.from({ length: given.replicas ?? 1 }, () => ({}));
    if (given.tasks !== undefined && given.replicas !== undefined && given.replicas !== given.tasks.length) {
      complain(
        ["services", name, "replicas"],
        `says ${given.replicas}, but ${given.tasks.length} tasks are listed; leave one of the two out`,
      );
    }
    for (const [i, task] of slots.entries()) {
      const path = given.tasks === undefined ? ["services", name] : ["services", name, "tasks", i];
      const slot = given.mode === "global" ? undefined : i + 1;
      const put = taskOf(service, task, slot, file.node, networkIds(file));
      out.push({ path, change: { kind: "task.put", task: put } });
      const known = `${name}.${slotOrNode(put)}`;
      if (!tasks.has(known)) tasks.set(known, put.id);
    }
  }
  return out;
}

const containersIn = (file: ConfigFile): Located[] =>
  entries(file.containers).map(([name, { id, hostname, state, networks, labels }]) => {
    const container: ContainerInput = {
      id: id ?? containerId(name),
      name,
      hostname,
      state,
      endpoints: endpointsOf(networks, networkIds(file)),
      labels: labelsOf(labels),
    };
    return { path: ["containers", name], change: { kind: "container.put", container } };
  });

const sandboxesIn = (file: ConfigFile, tasks: ReadonlyMap<string, string>, complain: Complain): Located[] =>
  entries(file.sandboxes).flatMap(([name, given]): Located[] => {
    const path = ["sandboxes", name];
    if (given.netns === undefined && (given.bind === "redirect" || given.resolv_conf !== undefined))
      complain(path, "bind: redirect and resolv_conf need a netns");
    const member = memberOf(file, given, tasks);
    if (member !== undefined) return [{ path, change: { kind: "sandbox.put", sandbox: sandbox(name, given, member) } }];
    const what = given.task ? "task" : "container";
    const missing = given.task ? ["service", given.task.replace(/\.[^.]*$/, "")] : ["container", `${given.container}`];
    complain(
      [...path, what],
      `there is no ${what} "${brief(`${given[what]}`)}" in this file`,
      missing as [string, string],
    );
    return [];
  });

type Identified<T> = T & { readonly id: string };
type Networks = ConfigFile["networks"];
type NetworkFile = NonNullable<Networks>[string];
type ServiceFile = NonNullable<ConfigFile["services"]>[string];
type TaskFile = NonNullable<ServiceFile["tasks"]>[number];
type ContainerFile = NonNullable<ConfigFile["containers"]>[string];
type SandboxFile = NonNullable<ConfigFile["sandboxes"]>[string];

function network(name: string, file: NetworkFile, id: string): NetworkInput {
  const subnets = [file?.subnet ?? [], file?.subnet6 ?? []].flat().map((cidr): SubnetInput => {
    return { cidr, gateway: parseCidr(cidr)?.family === 6 ? file?.gateway6 : file?.gateway };
  });
  return {
    id,
    name,
    driver: file?.driver,
    internal: file?.internal,
    ingress: file?.ingress,
    defaultBridge: file?.default_bridge,
    subnets,
    upstreams: file?.upstreams?.map(upstream),
    ttl: file?.ttl,
  };
}

function serviceOf(name: string, file: ServiceFile, networkId: (name: string) => string): Identified<ServiceInput> {
  const networks = Array.isArray(file.networks)
    ? Object.fromEntries(file.networks.map((n) => [n, null]))
    : file.networks;
  return {
    id: file.id ?? name,
    name,
    mode: file.endpoint_mode,
    publish: file.publish,
    networks: Object.entries(networks).map(([network, at]) => ({
      network: networkId(network),
      aliases: at?.aliases,
      vip4: at?.vip,
      vip6: at?.vip6,
    })),
    ports: file.ports?.map(port),
    vipPorts: file.vip_ports,
    labels: labelsOf(file.labels),
    ttl: file.ttl,
    balance: file.balance,
  };
}

function taskOf(
  service: Identified<ServiceInput>,
  file: TaskFile,
  slot: number | undefined,
  here: string | undefined,
  networkId: (name: string) => string,
): Identified<TaskInput> {
  const place = { slot: file.slot ?? slot, node: file.node ?? here };
  return {
    id: file.id ?? taskId(service.name, slotOrNode(place)),
    service: service.id,
    ...place,
    state: file.state,
    health: file.health,
    containerId: file.container_id,
    hostname: file.hostname,
    endpoints: file.networks && endpointsOf(file.networks, networkId),
    weight: file.weight,
    labels: labelsOf(file.labels),
  };
}

function endpointsOf(file: ContainerFile["networks"], networkId: (name: string) => string): EndpointInput[] {
  if (Array.isArray(file)) return file.map((name) => ({ network: networkId(name) }));
  return Object.entries(file).map(([network, at]) => ({
    network: networkId(network),
    ip4: at?.ip,
    ip6: at?.ip6,
    aliases: at?.aliases,
    links: at?.links?.map((l) => ({ target: l.split(":")[0]!, alias: l.split(":").at(-1)! })),
    priority: at?.priority,
  }));
}

const port = (file: NonNullable<ServiceFile["ports"]>[number]): PortInput =>
  typeof file === "object" ? file : splitPort(String(file))!;

function memberOf(
  file: ConfigFile,
  { container, task }: SandboxFile,
  tasks: ReadonlyMap<string, string>,
): Member | undefined {
  if (container !== undefined) {
    const known = own(file.containers, container);
    return known && { kind: "container", id: known.id ?? containerId(container) };
  }
  const id = tasks.get(task ?? "");
  return id === undefined ? undefined : { kind: "task", id };
}

function sandbox(id: string, file: SandboxFile, member: Member): SandboxInput {
  return {
    id,
    member,
    listen: file.listen === undefined ? undefined : [file.listen].flat().map(listen),
    upstreams: file.upstreams?.map(upstream),
    ndots: file.ndots,
    search: file.search,
    netns: file.netns === undefined ? undefined : String(file.netns),
    bind: file.bind,
    resolvConf: file.resolv_conf,
  };
}

const listen = (file: string | ListenInput): ListenInput => (typeof file === "string" ? splitHostPort(file)! : file);

const upstream = (file: string | UpstreamInput): UpstreamInput =>
  typeof file === "string" ? splitHostPort(file)! : file;

/** One of the node's own, which no registry completes. */
function ownUpstream(file: string | UpstreamInput): Upstream {
  const { address, port = DNS_PORT, domains } = upstream(file);
  return { address: canonicalAddress(address)!, port, ...(domains && { domains }) };
}

function labelsOf(file: ServiceFile["labels"]): Record<string, string> | undefined {
  if (!Array.isArray(file)) return file;
  return Object.fromEntries(file.map((l) => [l.slice(0, l.indexOf("=")), l.slice(l.indexOf("=") + 1)]));
}

/** A mapping's own entry: "constructor" is in every object. */
const own = <T>(map: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;

/** Ids look like Docker's and are the same on every start: made of the name. */
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const containerId = (name: string): string => hash(`container ${name}`);
const taskId = (service: string, slot: string): string =>
  BigInt(`0x${hash(`task ${service} ${slot}`)}`)
    .toString(36)
    .slice(0, 25);
