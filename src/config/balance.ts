/** The parts of a config file that say how connections are balanced, in the model's words. */
import { DEFAULT_NODE } from "../model/defaults.ts";
import { netnsPath } from "../model/netns.ts";
import { brief } from "../model/quote.ts";
import type { BalanceFile, PlaceFile } from "./options.ts";
import type { Complain } from "./problems.ts";
import type { ConfigFile } from "./schema.ts";

/** Connections are balanced wherever there is a namespace to do it in (`more`: others may come), unless the file says "none". */
export function balanceOf(file: ConfigFile, more: boolean): BalanceFile | undefined {
  const { backend = "auto", placement = "sandbox", idle, networks = {}, mesh } = file.balance ?? {};
  const anywhere =
    more || file.balance !== undefined || Object.values(file.sandboxes ?? {}).some((s) => s.netns !== undefined);
  if (backend === "none" || !anywhere) return undefined;
  return {
    backend,
    placement,
    node: file.node ?? DEFAULT_NODE,
    ...(idle && { idle: { ...(idle.tcp && { tcp: idle.tcp }), ...(idle.udp && { udp: idle.udp }) } }),
    networks: Object.entries(networks).map(([name, at]) => ({
      network: (Object.hasOwn(file.networks ?? {}, name) && file.networks?.[name]?.id) || name,
      ...placeOf(at),
    })),
    ...(mesh && { mesh: { ingress: placeOf(mesh), host: hostOf(mesh.host) } }),
  };
}

type Mesh = NonNullable<NonNullable<ConfigFile["balance"]>["mesh"]>;

const placeOf = ({ netns, device, ip, ip6 }: Omit<Mesh, "host">): PlaceFile => ({
  netns: netnsPath(String(netns)),
  device: device ?? "eth0",
  ...(ip && { ip4: ip }),
  ...(ip6 && { ip6 }),
});

const hostOf = ({ netns, bridge, to, to6 }: Mesh["host"]) => ({
  ...(netns !== undefined && { netns: netnsPath(String(netns)) }),
  bridge,
  ...(to && { to4: to }),
  ...(to6 && { to6 }),
});

/** What would be accepted and balance nothing. */
export function checkBalance(file: ConfigFile, complain: Complain): void {
  const { placement, networks = {}, mesh } = file.balance ?? {};
  if (placement === "network" && Object.keys(networks).length === 0)
    complain(["balance", "placement"], "needs balance.networks: this node's load-balancer sandbox of each network");
  for (const [name, { ip, ip6 }] of Object.entries(networks)) {
    const path = ["balance", "networks", name];
    if (!Object.hasOwn(file.networks ?? {}, name))
      complain(path, `there is no network "${brief(name)}" in this file`, ["network", name]);
    else if (ip === undefined && ip6 === undefined) complain(path, "needs its ip or ip6: tasks answer to it");
  }
  if (mesh !== undefined && mesh.ip === undefined && mesh.ip6 === undefined)
    complain(["balance", "mesh"], "needs the ingress sandbox's ip or ip6: tasks answer to it");
  if (mesh !== undefined && mesh.host.to === undefined && mesh.host.to6 === undefined)
    complain(["balance", "mesh", "host"], "needs to or to6: the ingress sandbox's address on the bridge");
  for (const [name, { endpoint_mode, balance, vip_ports, ports = [] }] of Object.entries(file.services ?? {})) {
    if (endpoint_mode === "dnsrr" && balance !== undefined)
      complain(["services", name, "balance"], "a dnsrr service has no VIP to balance behind");
    if (vip_ports === undefined) continue;
    if (endpoint_mode === "dnsrr") complain(["services", name, "vip_ports"], "a dnsrr service has no VIP");
    else if (vip_ports === "declared" && ports.length === 0)
      complain(
        ["services", name, "vip_ports"],
        "declared without ports refuses everything: list what it serves in ports",
      );
  }
}

/** A port is published on the routing mesh, and the file has no network for it. */
export function needsMesh({ networks = {}, services = {}, balance }: ConfigFile): boolean {
  if (balance?.mesh === undefined || Object.values(networks).some((n) => n?.ingress)) return false;
  return Object.values(services).some((s) =>
    (s.ports ?? []).some((p) => typeof p !== "object" || (p.published !== undefined && p.mode !== "host")),
  );
}
