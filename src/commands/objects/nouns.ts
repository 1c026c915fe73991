/** The five kinds of objects as the command line shows them: what they are called, and what of each stands in which column. */
import { type Json, list } from "../text/json.ts";
import type { Column } from "../text/output-format.ts";

export type Kind = "network" | "service" | "task" | "container" | "sandbox";

export interface Noun {
  readonly kind: Kind;
  /** As it stands in the API's paths. */
  readonly plural: string;
  readonly about: string;
  readonly columns: readonly Column<Row>[];
}

/** An object, and with a service its tasks, where a column asks for them. */
export type Row = Json & { readonly id?: string; readonly name?: string };

const text = (name: string, field: string, head = name.toUpperCase()): Column<Row> => ({
  name,
  head,
  of: (row) => (row[field] === undefined ? "" : String(row[field])),
});
const hidden = (name: string, field: string): Column<Row> => ({ ...text(name, field), hidden: true });
const column = (name: string, of: (row: Row) => string, head = name.toUpperCase()): Column<Row> => ({ name, head, of });

const ID = text("ID", "id");
const NAME = text("Name", "name");
const SOURCE = column("Source", (row) => String(row["source"] ?? "api"));
const LABELS: Column<Row> = { ...column("Labels", (row) => pairs(row["labels"])), hidden: true };
const ADDRESSES = column("Addresses", (row) => list(row["endpoints"]).map(addressesOf).join(", "));

export const NOUNS: Readonly<Record<Kind, Noun>> = {
  network: {
    kind: "network",
    plural: "networks",
    about: "networks: who is on the same one sees each other",
    columns: [
      ...[ID, NAME, text("Driver", "driver")],
      column("Subnets", (row) =>
        list(row["subnets"])
          .map(({ cidr }) => `${cidr}`)
          .join(", "),
      ),
      column("Options", (row) => OPTIONS.filter((option) => row[option] === true).join(", ")),
      ...[SOURCE, hidden("Upstreams", "upstreams"), hidden("TTL", "ttl")],
    ],
  },
  service: {
    kind: "service",
    plural: "services",
    about: "services: a name, virtual IPs, and the tasks behind them",
    columns: [
      ...[ID, NAME, text("Mode", "mode")],
      column("Replicas", (row) => `${list(row["tasks"]).filter(answers).length}/${list(row["tasks"]).length}`),
      column("VIPs", (row) => list(row["networks"]).map(vipsOf).join(", "), "VIRTUAL IPS"),
      column("Ports", (row) => list(row["ports"]).map(portText).join(", ")),
      ...[SOURCE, LABELS, hidden("TTL", "ttl"), hidden("Balance", "balance"), hidden("Mesh", "mesh")],
      ...[hidden("VipPorts", "vipPorts"), hidden("Publish", "publish")],
    ],
  },
  task: {
    kind: "task",
    plural: "tasks",
    about: "tasks: what runs a service, and answers to its name",
    columns: [
      ...[ID, text("Service", "service"), text("Slot", "slot"), text("Node", "node")],
      ...[text("State", "state"), text("Health", "health"), ADDRESSES, SOURCE, LABELS],
      ...[hidden("Weight", "weight"), hidden("Hostname", "hostname"), hidden("ContainerID", "containerId")],
    ],
  },
  container: {
    kind: "container",
    plural: "containers",
    about: "containers that belong to no service",
    columns: [
      ...[ID, NAME, text("State", "state"), ADDRESSES],
      column("Aliases", (row) =>
        list(row["endpoints"])
          .flatMap(({ aliases }) => aliases)
          .join(", "),
      ),
      ...[SOURCE, LABELS, hidden("Hostname", "hostname")],
    ],
  },
  sandbox: {
    kind: "sandbox",
    plural: "sandboxes",
    about: "sandboxes: who asks, and sees what its container or task is attached to",
    columns: [
      ...[ID, column("Member", (row) => memberText(row["member"]))],
      column("Listen", (row) => list(row["listen"]).map(listenText).join(", ")),
      ...[text("Netns", "netns"), SOURCE, hidden("Bind", "bind"), hidden("Upstreams", "upstreams")],
      ...[hidden("Ndots", "ndots"), hidden("Search", "search"), hidden("ResolvConf", "resolvConf")],
    ],
  },
};

export const KINDS = Object.keys(NOUNS) as readonly Kind[];

const OPTIONS = ["internal", "ingress", "defaultBridge"];

/** Whether its name leads to it. */
const answers = ({ state, health }: Json): boolean =>
  state === "running" && (health === "none" || health === "healthy");

const pairs = (labels: unknown): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

const addressesOf = ({ network, ip4, ip6 }: Json): string =>
  [network, ip4, ip6].filter((a) => a !== undefined).join(" ");

const vipsOf = ({ network, vip4, vip6 }: Json): string => addressesOf({ network, ip4: vip4, ip6: vip6 });

/** docker's "8080->80/tcp". */
function portText({ published, target, protocol, mode }: Json): string {
  const inside = `${target}/${protocol}`;
  return published === undefined ? inside : `${mode === "host" ? "host:" : ""}${published}->${inside}`;
}

const memberText = (member: unknown): string => {
  const { kind, id } = (member ?? {}) as Json;
  return `${kind} ${id}`;
};

const listenText = ({ address, port, source }: Json): string => {
  const at = String(address).includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  return Array.isArray(source) ? `${at} (for ${source.join(" ")})` : at;
};
