/**
 * One interface of a container, as the runtime describes it, in the model's words: which network, which addresses, which names. Pure.
 *
 *   ADD per interface:  network (made if it is not there) <- container, one endpoint more <- sandbox, once
 *   DEL per interface:  the endpoint goes; with the last one, container and sandbox do
 */
import { canonicalAddress, cidrText, rangeAround } from "../model/address.ts";
import type { ContainerInput, EndpointInput, NetworkInput, SandboxInput, UpstreamInput } from "../model/input.ts";
import { CniError, CODE } from "./error.ts";
import type { Request, Result } from "./request.ts";

/** Marks what was made here, so that a garbage collection takes nobody else's. */
export const MADE_BY = "eleven.cni";

/** The key of what this attachment is remembered by: its interface, and the configuration's name. */
export const interfaceLabel = (ifname: string): string => `${MADE_BY}/${ifname}`;

export interface Attached {
  readonly network: NetworkInput & { readonly name: string };
  readonly endpoint: EndpointInput & { readonly network: string };
  readonly container: Pick<ContainerInput, "id" | "name" | "labels"> & { readonly id: string };
  readonly sandbox: SandboxInput;
}

/** Throws a CniError if it can't be told. */
export function attachmentOf({ config, containerId, netns, ifname, args }: Request): Attached {
  const { prevResult, name, bind } = config;
  if (prevResult === undefined)
    throw new CniError(
      CODE.config,
      "eleven comes after the plugin that makes the interface (bridge, macvlan, ptp, …): there is no prevResult",
    );
  const { ip4, ip6, subnets } = addressesIn(prevResult, netns, ifname);
  if (ip4 === undefined && ip6 === undefined)
    throw new CniError(CODE.config, `prevResult has no address for ${ifname} in ${netns}`);
  const network = config.network ?? name;
  const called = nameOf(containerId, args);
  const upstreams = upstreamsOf(config.upstreams ?? prevResult.dns.nameservers ?? []);
  const { search } = prevResult.dns;
  return {
    network: { name: network, driver: "bridge", subnets },
    endpoint: {
      network,
      ...(ip4 !== undefined && { ip4 }),
      ...(ip6 !== undefined && { ip6 }),
      aliases: [...new Set([...called.aliases, ...aliasesOf(config.runtimeConfig.aliases, name)])],
    },
    container: { id: containerId, name: called.name, labels: { [interfaceLabel(ifname)]: name } },
    sandbox: {
      ...{ id: containerId, member: { kind: "container", id: containerId }, netns },
      ...(bind !== undefined && { bind }),
      ...(upstreams.length > 0 && { upstreams }),
      ...(search !== undefined && { search }),
    },
  };
}

/** What goes back to the runtime: what the plugin before said, with our resolver in it. */
export function resultOf({ cniVersion, prevResult }: Request["config"]): object {
  const { dns, ...rest } = prevResult!;
  const options = [...(dns.options ?? []).filter((option) => !option.startsWith("ndots:")), "ndots:0"];
  return { ...rest, cniVersion, dns: { ...dns, nameservers: ["127.0.0.11"], options } };
}

function addressesIn({ interfaces, ips }: Result, netns: string, ifname: string) {
  const ours = ips.filter(({ interface: index }) => {
    const its = index === undefined ? undefined : interfaces[index];
    return its === undefined || (its.name === ifname && (its.sandbox ?? netns) !== "");
  });
  const found: { ip4?: string; ip6?: string; subnets: { cidr: string; gateway?: string }[] } = { subnets: [] };
  for (const { address, gateway } of ours) {
    const ip = canonicalAddress(address.split("/")[0] ?? "");
    const cidr = rangeAround(address);
    if (ip === undefined || cidr === undefined)
      throw new CniError(CODE.config, `prevResult.ips: "${address}" is no address with its prefix length`);
    const family = ip.includes(":") ? "ip6" : "ip4";
    if (found[family] !== undefined) continue;
    found[family] = ip;
    found.subnets.push({ cidr: cidrText(cidr), ...(gateway && { gateway }) });
  }
  return found;
}

/** Ids that nobody has chosen. */
const HASH = /^[0-9a-f]{32,}$/;

/** A name of DNS. */
const LONGEST = 253;

/**
 * ELEVEN_NAME; else a pod's name, as Kubernetes' runtimes and podman pass it, with its namespace where it has one; else the id, as
 * Docker cuts it. ELEVEN_ALIASES: more names, with commas.
 */
function nameOf(containerId: string, args: Request["args"]): { name: string; aliases: string[] } {
  const given = args.get("ELEVEN_NAME");
  const [pod, namespace] = [args.get("K8S_POD_NAME"), args.get("K8S_POD_NAMESPACE")];
  const aliases = (args.get("ELEVEN_ALIASES") ?? "").split(",").filter(Boolean);
  if (given) return { name: given, aliases };
  const unnamed = HASH.test(containerId) ? containerId.slice(0, 12) : containerId;
  if (!pod) return { name: unnamed, aliases };
  if (!namespace || namespace === pod) return { name: pod, aliases };
  const both = `${pod}.${namespace}`;
  return { name: both.length <= LONGEST ? both : unnamed, aliases: [pod, ...aliases] };
}

/** The capability "aliases": a list, or (podman) a list for each network. */
function aliasesOf(given: Request["config"]["runtimeConfig"]["aliases"], network: string): readonly string[] {
  if (given === undefined) return [];
  return Array.isArray(given) ? given : (given[network] ?? []);
}

/** Not ourselves: some runtimes hand back what an earlier plugin of a chain has said. */
const upstreamsOf = (addresses: readonly string[]): UpstreamInput[] =>
  addresses.filter((address) => address !== "127.0.0.11").map((address) => ({ address }));
