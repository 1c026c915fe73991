/** Flags that several kinds of objects have. */
import { list } from "../text/json.ts";
import { add, addTo, type Draft, type Flag, inside, ofNetwork, removeFrom, set, whole } from "./filling.ts";
import { endpoint, label, link, upstream } from "./spoken.ts";

export const LABELS: readonly Flag[] = [
  { flags: "--label <K=V>", about: "a label", only: "create", many: true, into: (d, v) => putLabel(d, v, d["labels"]) },
  {
    ...{ flags: "--label-add <K=V>", about: "put a label, beside those that are there", only: "update", many: true },
    into: (d, v, now) => putLabel(d, v, d["labels"] ?? now["labels"]),
  },
  {
    ...{ flags: "--label-rm <K>", about: "take a label away", only: "update", many: true },
    into: (d, v, now) => {
      const { [v]: _, ...others } = (d["labels"] ?? now["labels"] ?? {}) as Draft;
      d["labels"] = others;
    },
  },
];

function putLabel(draft: Draft, text: string, before: unknown): void {
  const [key, value] = label(text);
  draft["labels"] = { ...(before as Draft | undefined), [key]: value };
}

export const UPSTREAM: Flag = {
  ...{
    flags: "--upstream <ADDRESS>",
    about: "where names of others are asked; address=A,domain=D for those below D",
    many: true,
  },
  into: add("upstreams", upstream),
};

export const TTL: readonly Flag[] = [
  {
    flags: "--ttl-stable <SECONDS>",
    about: "how long answers with virtual IPs may be kept",
    into: inside("ttl", "stable", whole),
  },
  {
    flags: "--ttl-dynamic <SECONDS>",
    about: "and those with tasks or containers",
    into: inside("ttl", "dynamic", whole),
  },
];

export const STATE: Flag = {
  ...{ flags: "--state <STATE>", about: "only who is running is found", into: set("state") },
  choices: ["starting", "running", "paused", "draining", "stopped"],
};

export const ENDPOINTS: readonly Flag[] = [
  {
    flags: "--network <NETWORK>",
    about: "a network it is on; name=N,alias=A,ip=I,priority=P says more",
    only: "create",
    many: true,
    into: add("endpoints", endpoint),
  },
  {
    flags: "--network-add <NETWORK>",
    about: "one more network",
    only: "update",
    many: true,
    into: addTo("endpoints", endpoint),
  },
  {
    ...{ flags: "--network-rm <NETWORK>", about: "leave a network", only: "update", many: true },
    into: removeFrom("endpoints", ({ network }, text) => network === text),
  },
  {
    ...{ flags: "--alias <NAME>", about: "another name on that network", only: "create", many: true },
    into: ofNetwork("--alias", "endpoints", (v, { aliases }) => ({ aliases: [...((aliases as string[]) ?? []), v] })),
  },
  {
    flags: "--ip <ADDRESS>",
    about: "its IPv4 address there; default: the next free one",
    only: "create",
    into: ofNetwork("--ip", "endpoints", (ip4) => ({ ip4 })),
  },
  {
    flags: "--ip6 <ADDRESS>",
    about: "its IPv6 address there",
    only: "create",
    into: ofNetwork("--ip6", "endpoints", (ip6) => ({ ip6 })),
  },
  {
    ...{ flags: "--link <NAME:ALIAS>", about: "a name of its own for somebody there", only: "create", many: true },
    into: ofNetwork("--link", "endpoints", (v, { links }) => ({ links: [...list(links), link(v)] })),
  },
  { flags: "--hostname <NAME>", about: "its host name", into: set("hostname") },
  STATE,
];
