/** Balancing states out of text: what `stateText` writes, and a little more (src/lb-programmer/state-text.ts has the form). */
import type { Destination, LbState, PortRange, VirtualServer } from "../lb-programmer/state.ts";
import type { Protocol, Scheduler } from "../model/types.ts";

export { opText, stateText } from "../lb-programmer/state-text.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

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
