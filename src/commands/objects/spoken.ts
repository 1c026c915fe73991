/** docker's short forms of what is in an object ("8080:80/tcp", "name=mynet,alias=www") as the fields that the API takes. Who may have what is for the API to say; here it is form alone. */
import { UsageError } from "../usage.ts";

type Fields = Record<string, unknown>;

/** "k=v" as a label; without a value it is "". */
export function label(text: string): [key: string, value: string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** "8080:80/tcp", "80" (published wherever is room), or "published=8080,target=80,name=http". */
export function publishedPort(text: string): Fields {
  if (text.includes("=")) return { published: 0, ...longPort(text) };
  const [, published = "0", target, protocol] = PORT.exec(text) ?? [];
  if (target === undefined)
    throw new UsageError(`--publish: must be 8080:80/tcp, 80 or target=80,published=8080, not ${text}`);
  return { target: portOrRange(target), published: portOrRange(published), ...(protocol && { protocol }) };
}

/** "80/tcp", or "target=80,name=http": known to SRV, but not published. */
export function exposedPort(text: string): Fields {
  if (text.includes("=")) return longPort(text);
  const [, published, target, protocol] = PORT.exec(text) ?? [];
  if (target === undefined || published !== undefined)
    throw new UsageError(`--expose: must be 80/tcp or target=80,name=http, not ${text}`);
  return { target: portOrRange(target), ...(protocol && { protocol }) };
}

const PORT = /^(?:(\d+(?:-\d+)?):)?(\d+(?:-\d+)?)(?:\/(\w+))?$/;

const portOrRange = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);

const longPort = (text: string): Fields =>
  longForm("--publish", text, {
    target: (v) => ({ target: portOrRange(v) }),
    published: (v) => ({ published: portOrRange(v) }),
    protocol: (v) => ({ protocol: v }),
    mode: (v) => ({ mode: v }),
    name: (v) => ({ name: v }),
    traffic: (v) => ({ traffic: v }),
    source: (v, before) => ({ sources: [...((before["sources"] as string[]) ?? []), v] }),
  });

/** A network that a service is on: "mynet", or "name=mynet,alias=www,vip=10.0.1.9". */
export const serviceNetwork = (text: string): Fields =>
  named("--network", text, { ...ON_NETWORK, vip: (v) => ({ vip4: v }), vip6: (v) => ({ vip6: v }) });

/** A network that a task or container is on: "mynet", or "name=mynet,alias=www,ip=10.0.1.9,priority=5". */
export const endpoint = (text: string): Fields =>
  named("--network", text, {
    ...ON_NETWORK,
    ip: (v) => ({ ip4: v }),
    ip6: (v) => ({ ip6: v }),
    link: (v, before) => ({ links: [...((before["links"] as Fields[]) ?? []), link(v)] }),
    priority: (v) => ({ priority: Number(v) }),
  });

/** docker's --link: "db:database", or "db" for both. */
export function link(text: string): Fields {
  const [target, alias = target] = text.split(":");
  return { target, alias };
}

/** "1.1.1.1", "1.1.1.1:5353", "[2606::1]:53", or "address=10.9.9.9,domain=corp.example". */
export function upstream(text: string): Fields {
  if (!text.includes("=")) return place("--upstream", text);
  return longForm("--upstream", text, {
    address: (v) => ({ address: v }),
    port: (v) => ({ port: Number(v) }),
    domain: (v, before) => ({ domains: [...((before["domains"] as string[]) ?? []), v] }),
    host: (v) => ({ host: v === "true" }),
    netns: (v) => ({ netns: v }),
  });
}

/** "127.0.0.1:5300", "[::1]:53", "127.0.0.11", or "address=127.0.0.1,port=5300,source=10.0.1.0/24". */
export function listen(text: string): Fields {
  if (!text.includes("=")) return place("--listen", text);
  return longForm("--listen", text, {
    address: (v) => ({ address: v }),
    port: (v) => ({ port: Number(v) }),
    source: (v, before) => ({ source: [...((before["source"] as string[]) ?? []), v] }),
  });
}

function place(flag: string, text: string): Fields {
  const [, inBrackets, v6, v4, port] = /^(?:\[(.+)\]|((?=.*:.*:)[^[\]]+)|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const address = inBrackets ?? v6 ?? v4;
  if (address === undefined)
    throw new UsageError(`${flag}: must be ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, not ${text}`);
  return { address, ...(port && { port: Number(port) }) };
}

type Reads = Readonly<Record<string, (value: string, before: Fields) => Fields>>;

const ON_NETWORK: Reads = {
  name: (v) => ({ network: v }),
  alias: (v, before) => ({ aliases: [...((before["aliases"] as string[]) ?? []), v] }),
};

const named = (flag: string, text: string, reads: Reads): Fields =>
  text.includes("=") ? longForm(flag, text, reads) : network(flag, text);

function network(flag: string, text: string): Fields {
  if (text === "") throw new UsageError(`${flag}: must be a network, or name=NETWORK and more, not nothing`);
  return { network: text };
}

/** "key=value,key=value"; a key may come again where a list is meant. */
function longForm(flag: string, text: string, reads: Reads): Fields {
  let fields: Fields = {};
  for (const part of text.split(",")) {
    const [key, value] = label(part);
    const read = Object.hasOwn(reads, key) ? reads[key] : undefined;
    if (read === undefined)
      throw new UsageError(`${flag}: there is no ${key} in ${text}; there are ${Object.keys(reads).join(", ")}`);
    if (value === "") throw new UsageError(`${flag}: ${key}= says nothing in ${text}`);
    fields = { ...fields, ...read(value, fields) };
  }
  return fields;
}
