/**
 * Balancing state as text, one entry a line, both ways:
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
import { normal } from "../lb-programmer/normal.ts";
import { numbersText } from "../lb-programmer/port-ranges.ts";
import type { Destination, LbOp, LbState, PortRange, PublishedPort, VirtualServer } from "../lb-programmer/state.ts";
import type { Protocol, Scheduler } from "../model/types.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

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

export function parseState(text: string): LbState {
  const state = {
    addresses: [],
    servers: [],
    snats: [],
    redirects: [],
    published: [],
    sysctls: {},
  } as Mutable<LbState> & {
    sysctls: Record<string, string>;
  };
  let destinations: Destination[] = [];
  for (const line of text.split("\n")) {
    const w = line.trim().split(/\s+/);
    const [kind = "", a = "", b = "", c = "", d = "", e = ""] = w;
    if (kind === "") continue;
    else if (kind === "address") state.addresses.push({ address: a, device: b });
    else if (kind === "snat") state.snats.push({ subnet: a, to: c });
    else if (kind === "redirect")
      state.redirects.push({ address: a, protocol: b as Protocol, published: Number(c), target: Number(e) });
    else if (kind === "published")
      state.published.push({
        ...rangeIn(`${a}/${b}`),
        to: d,
        toPort: Number(e),
        bridge: w[7] ?? "",
        ...sourcesIn(w[9]),
      });
    else if (kind === "sysctl") state.sysctls[a] = b;
    else if (kind === "server") {
      destinations = [];
      state.servers.push({ ...parseServer(w.slice(1)), destinations });
    } else if (/^[\d.]+$|:/.test(kind)) destinations.push({ address: kind, weight: Number(a) });
    else throw new Error(`no such entry: "${line}"`);
  }
  return state;
}

function parseServer([key = "", vip = "", , mark, from, ...rest]: string[]): Omit<VirtualServer, "destinations"> {
  const ports = from === "published" && rest[0]?.includes("/") ? rest.shift()!.split(",") : [];
  const [scheduler, ...words] = rest;
  return {
    key,
    vip,
    mark: Number(mark),
    from: from as VirtualServer["from"],
    ports: ports.map(rangeIn),
    scheduler: scheduler as Scheduler,
    affinity: words.includes("affinity") ? Number(words[words.indexOf("affinity") + 1]) : 0,
    forwarding: words.includes("direct") ? "direct" : "masquerade",
    ...(words.includes("drain") ? { drain: Number(words[words.indexOf("drain") + 1]) } : {}),
    ...(words.includes("keep-source") ? { keepSource: true as const } : {}),
    ...(words.includes("only") ? { only: namesIn(words[words.indexOf("only") + 1], "nothing").map(rangeIn) } : {}),
  };
}

/** "tcp/80", "udp/5060-5070". */
function rangeIn(text: string): PortRange {
  const [, protocol, port, last] = /^(\w+)\/(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  return { protocol: protocol as Protocol, port: Number(port), ...(last !== undefined && { last: Number(last) }) };
}

const sourcesIn = (text: string | undefined) => (text === undefined ? {} : { sources: namesIn(text, "nobody") });

const namesIn = (text = "", none: string): string[] => (text === none ? [] : text.split(","));

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
