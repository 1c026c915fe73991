/** Other programs that have rules, names or interfaces in their hands, and how to live beside each. */
import { type Check, ok, warning } from "./finding.ts";

export const firewalld: Check = ({ running }) =>
  running.has("firewalld")
    ? warning(
        "firewalld",
        "it runs: its zones decide who reaches published ports",
        "firewall-cmd --permanent --zone=trusted --add-interface=BRIDGE && firewall-cmd --reload, for the bridge in balance.mesh.host",
      )
    : ok("firewalld", "does not run");

export const ufw: Check = ({ read }) => {
  if (!/^ENABLED=yes/m.test(read("/etc/ufw/ufw.conf") ?? "")) return ok("ufw", "is off");
  const drops = /^DEFAULT_FORWARD_POLICY="?(DROP|REJECT)/m.test(read("/etc/default/ufw") ?? "");
  return drops
    ? warning(
        "ufw",
        "it is on, and forwards nothing by itself",
        "ufw route allow in on any out on BRIDGE, for the bridge in balance.mesh.host",
      )
    : ok("ufw", "is on, and forwards");
};

export const docker: Check = ({ running }) =>
  running.has("dockerd")
    ? warning(
        "docker",
        "dockerd runs: it has 127.0.0.11 in its own containers, and DROP as policy of FORWARD",
        "for containers of Docker's own use bind: redirect, so that both have their port 53; published ports go together (docs/load-balancing.md)",
      )
    : ok("docker", "dockerd does not run");

export const networkManager: Check = ({ running, read, isThere }) => {
  if (!running.has("NetworkManager")) return ok("NetworkManager", "does not run");
  const conf = "/etc/NetworkManager/conf.d/eleven.conf";
  if (isThere(conf) && /unmanaged-devices=.*veth/.test(read(conf) ?? ""))
    return ok("NetworkManager", `leaves veth alone (${conf})`);
  return warning(
    "NetworkManager",
    "it runs, and may configure interfaces that lead to containers",
    `printf '[keyfile]\\nunmanaged-devices=interface-name:veth*\\n' > ${conf} && nmcli general reload`,
  );
};

export const resolved: Check = ({ running, read }) => {
  const servers = [...(read("/etc/resolv.conf") ?? "").matchAll(/^nameserver\s+(\S+)/gm)].map(([, server]) => server!);
  if (servers.length === 0)
    return warning(
      "upstreams",
      "/etc/resolv.conf names no server: nothing is forwarded",
      "name some in the config: upstreams: [192.0.2.53]",
    );
  const stub = servers.includes("127.0.0.53") && running.has("systemd-resolved");
  return ok("upstreams", `${servers.join(", ")}${stub ? " (systemd-resolved, asked from the host's namespace)" : ""}`);
};
