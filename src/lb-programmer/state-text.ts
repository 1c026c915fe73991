/**
 * Balancing state as text, one entry a line (`parseState` of the package's testing part reads it again):
 *
 *   server web/mynet/4 10.0.1.4 mark 256 local rr             (or: arriving | published tcp/8080,udp/53)
 *     10.0.1.5 1                                              (its destinations with their weights)
 *   server api/mynet/4 10.0.1.8 mark 257 arriving wlc affinity 60 direct keep-source
 *   server db/mynet/4 10.0.1.9 mark 258 local rr drain 5    (never written: no kernel has it)
 *   server sip/mynet/4 10.0.1.9 mark 259 local rr only tcp/80,udp/5060-5070     (or: only nothing)
 *   address 10.0.1.4 lo
 *   snat 10.0.1.0/24 to 10.0.1.3
 *   redirect 10.0.0.4 tcp 8080 to 80
 *   published tcp 8080 to 172.18.0.2 8080 over docker_gwbridge
 *   published udp 5060-5070 to 172.18.0.2 5060 over docker_gwbridge from 10.0.0.0/8,192.0.2.1/32     (or: from nobody)
 *   sysctl net/ipv4/vs/conntrack 1
 */
import { normal } from "./normal.ts";
import { numbersText } from "./port-ranges.ts";
import type { LbOp, LbState, PortRange, PublishedPort, VirtualServer } from "./state.ts";

export function stateText(state: LbState): string {
  const { servers, addresses, snats, redirects, published, sysctls } = normal(state);
  return [
    ...servers.flatMap((s) => [serverLine(s), ...s.destinations.map((d) => `  ${d.address} ${d.weight}`)]),
    ...addresses.map((a) => `address ${a.address} ${a.device}`),
    ...snats.map((s) => `snat ${s.subnet} to ${s.to}`),
    ...redirects.map((r) => `redirect ${r.address} ${r.protocol} ${r.published} to ${r.target}`),
    ...published.map(publishedLine),
    ...Object.entries(sysctls).map(([key, value]) => `sysctl ${key} ${value}`),
  ].join("\n");
}

function publishedLine({ protocol, to, toPort, bridge, sources, ...numbers }: PublishedPort): string {
  const from = sources === undefined ? "" : ` from ${sources.join(",") || "nobody"}`;
  return `published ${protocol} ${numbersText(numbers)} to ${to} ${toPort} over ${bridge}${from}`;
}

const rangesText = (ranges: readonly PortRange[]): string =>
  ranges.map((p) => `${p.protocol}/${numbersText(p)}`).join(",");

function serverLine(s: VirtualServer): string {
  const ports = rangesText(s.ports);
  return [
    `server ${s.key} ${s.vip} mark ${s.mark} ${s.from}${ports && ` ${ports}`} ${s.scheduler}`,
    ...(s.affinity ? [`affinity ${s.affinity}`] : []),
    ...(s.forwarding === "direct" ? ["direct"] : []),
    ...(s.keepSource ? ["keep-source"] : []),
    ...(s.only ? [`only ${rangesText(s.only) || "nothing"}`] : []),
  ].join(" ");
}

/** A step as a line: "destination.add web/mynet/4 10.0.1.5 1". */
export function opText(op: LbOp): string {
  switch (op.op) {
    case "sysctl.set":
      return `${op.op} ${op.key} ${op.value}`;
    case "address.add":
    case "address.remove":
      return `${op.op} ${op.address.address} ${op.address.device}`;
    case "server.add":
    case "server.change":
    case "server.remove":
      return `${op.op} ${serverLine(op.server).slice("server ".length)}`;
    case "destination.add":
    case "destination.change":
    case "destination.remove":
      return `${op.op} ${op.server.key} ${op.destination.address} ${op.destination.weight}`;
    case "snat.add":
    case "snat.remove":
      return `${op.op} ${op.snat.subnet} to ${op.snat.to}`;
    case "redirect.add":
    case "redirect.remove":
      return `${op.op} ${op.redirect.address} ${op.redirect.protocol} ${op.redirect.published} to ${op.redirect.target}`;
    case "published.add":
    case "published.remove":
      return `${op.op} ${op.published.protocol} ${numbersText(op.published)} to ${op.published.to} ${op.published.toPort}`;
  }
}
