/**
 * Changes nothing: prints the commands with which a person could do the steps by hand, in IPVS's and iptables' words, which are
 * Docker's. What was printed counts as done, so that printing the same again does not happen.
 */
import { familyOf, placeText } from "../../model/address.ts";
import { diff } from "../diff.ts";
import { numbersText } from "../port-ranges.ts";
import {
  EMPTY,
  type LbOp,
  type LbState,
  type LbTarget,
  type PortRange,
  type PortRedirect,
  type PublishedPort,
  type VirtualServer,
} from "../state.ts";
import { type LbBackend, LbError } from "./backend.ts";
import { KernelModel } from "./kernel-model.ts";

export interface DryRunOptions {
  /** Called with each command, without a newline. Default: console.log. */
  readonly print?: (command: string) => void;
}

export class DryRunBackend implements LbBackend {
  readonly name = "dry-run";
  readonly dryRun = true;
  readonly #print: (command: string) => void;
  readonly #kernels = new Map<string, KernelModel>();

  constructor({ print = console.log }: DryRunOptions = {}) {
    this.#print = print;
  }

  async probe(): Promise<void> {}

  async read(target: LbTarget, keys: readonly string[]): Promise<LbState> {
    return this.#of(target).state(keys);
  }

  async apply(target: LbTarget, ops: readonly LbOp[], _desired: LbState): Promise<void> {
    const enter = target.netns === undefined ? "" : `nsenter --net=${quoted(target.netns)} `;
    for (const op of ops) if (this.#do(target, op)) for (const line of commands(op)) this.#print(enter + line);
  }

  async connections(): Promise<number> {
    return 0;
  }

  async clear(target: LbTarget): Promise<void> {
    await this.apply(target, diff(this.#of(target).state(), EMPTY), EMPTY);
    this.#kernels.delete(target.id);
  }

  #do(target: LbTarget, op: LbOp): boolean {
    try {
      return this.#of(target).do(op);
    } catch (error) {
      throw new LbError("failed", target, (error as Error).message);
    }
  }

  #of(target: LbTarget): KernelModel {
    const kernel = this.#kernels.get(target.id) ?? new KernelModel();
    this.#kernels.set(target.id, kernel);
    return kernel;
  }
}

const quoted = (path: string): string => (/^[\w./:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

/** The commands for one step. */
export function commands(op: LbOp): string[] {
  switch (op.op) {
    case "sysctl.set":
      return [`sysctl -w ${op.key.replaceAll("/", ".")}=${op.value}`];
    case "address.add":
      return [`ip address add ${host(op.address.address)} dev ${op.address.device}`];
    case "address.remove":
      return [`ip address delete ${host(op.address.address)} dev ${op.address.device}`];
    case "server.add":
      return [`ipvsadm -A ${service(op.server)} ${settings(op.server)}`, ...marking("-A", op.server)];
    case "server.change":
      return [`ipvsadm -E ${service(op.server)} ${settings(op.server)}`];
    case "server.remove":
      return [...marking("-D", op.server), `ipvsadm -D ${service(op.server)}`];
    case "destination.add":
    case "destination.change": {
      const way = op.server.forwarding === "direct" ? "-g" : "-m";
      const verb = op.op === "destination.add" ? "-a" : "-e";
      const { address, weight } = op.destination;
      return [`ipvsadm ${verb} ${service(op.server)} -r ${port(address, 0)} ${way} -w ${weight}`];
    }
    case "destination.remove":
      return [`ipvsadm -d ${service(op.server)} -r ${port(op.destination.address, 0)}`];
    case "snat.add":
    case "snat.remove": {
      const { subnet, to } = op.snat;
      return [`${tables(to)} -t nat ${verbOf(op)} POSTROUTING -d ${subnet} -m ipvs --ipvs -j SNAT --to-source ${to}`];
    }
    case "redirect.add":
    case "redirect.remove":
      return [redirect(verbOf(op), op.redirect)];
    case "published.add":
    case "published.remove":
      return publishing(verbOf(op), op.published);
  }
}

const verbOf = ({ op }: LbOp): "-A" | "-D" => (op.endsWith(".add") ? "-A" : "-D");

const isSix = (address: string): boolean => familyOf(address) === 6;
const tables = (address: string): string => (isSix(address) ? "ip6tables" : "iptables");
const host = (address: string): string => `${address}/${isSix(address) ? 128 : 32}`;
const port = (address: string, n: number): string => placeText(address, n);

const service = ({ mark, vip }: VirtualServer): string => `-f ${mark}${isSix(vip) ? " -6" : ""}`;
const settings = ({ scheduler, affinity }: VirtualServer): string =>
  `-s ${scheduler}${affinity > 0 ? ` -p ${affinity}` : ""}`;

/** Which connections are the server's: rules that mark them. What keeps its source is let through before any SNAT. */
function marking(verb: "-A" | "-D", server: VirtualServer): string[] {
  const { vip, mark, from, ports, only, keepSource } = server;
  const mangle = `${tables(vip)} -t mangle ${verb}`;
  const set = `-j MARK --set-mark ${mark}`;
  const insert = verb === "-A" ? "-I" : "-D";
  const hook = from === "local" ? "OUTPUT" : "INPUT";
  const ownsVip = from !== "published" || !keepSource;
  return [
    ...(keepSource ? [`${tables(vip)} -t nat ${insert} POSTROUTING -m mark --mark ${mark} -j ACCEPT`] : []),
    ...ports.map((p) => `${mangle} PREROUTING ${dport(p)} ${set}`),
    ...(ownsVip && only === undefined ? [`${mangle} ${hook} -d ${host(vip)} ${set}`] : []),
    ...(only ?? []).map((p) => `${mangle} ${hook} -d ${host(vip)} ${dport(p)} ${set}`),
    ...(only ? refusing(verb, hook, server) : []),
  ];
}

const dport = (range: PortRange): string => `-p ${range.protocol} --dport ${numbersText(range, ":")}`;

/** What is for the VIP and has no mark. */
const refusing = (verb: "-A" | "-D", hook: string, { vip }: VirtualServer): string[] =>
  ["tcp", "udp", "sctp"].map((protocol) => {
    const how = protocol === "tcp" ? " --reject-with tcp-reset" : "";
    const match = `-d ${host(vip)} -p ${protocol} -m mark --mark 0 -m conntrack --ctstate NEW`;
    return `${tables(vip)} ${verb} ${hook} ${match} -j REJECT${how}`;
  });

const redirect = (verb: string, { address, protocol, published, target }: PortRedirect): string =>
  `${tables(address)} -t nat ${verb} PREROUTING -d ${host(address)} -p ${protocol} --dport ${published} -j REDIRECT --to-ports ${target}`;

/** Dropped before it is led anywhere: new connections from elsewhere than its sources. */
function guarding(verb: "-A" | "-D", published: PublishedPort): string[] {
  const { to, sources } = published;
  if (sources === undefined) return [];
  const mangle = `${tables(to)} -t mangle ${verb} PREROUTING ! -i lo -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW`;
  const match = `${mangle} ${dport(published)}`;
  return [...sources.map((range) => `${match} -s ${range} -j ACCEPT`), `${match} -j DROP`];
}

/** From outside and from the host itself; local clients are masqueraded, and a firewall that drops is told to let it through. */
function publishing(verb: "-A" | "-D", published: PublishedPort): string[] {
  const { protocol, last, to, toPort, bridge } = published;
  const [iptables, insert] = [tables(to), verb === "-A" ? "-I" : "-D"];
  const numbers = last === undefined ? `${toPort}` : numbersText(published, ":");
  const dnat = `-m addrtype --dst-type LOCAL ${dport(published)} -j DNAT --to-destination ${last === undefined ? port(to, toPort) : to}`;
  const there = `-d ${host(to)} -p ${protocol} --dport ${numbers}`;
  const back = `-s ${host(to)} -p ${protocol} --sport ${numbers} -m conntrack --ctstate ESTABLISHED,RELATED`;
  return [
    ...guarding(verb, published),
    `${iptables} ${insert} FORWARD ${there} -j ACCEPT`,
    `${iptables} ${insert} FORWARD ${back} -j ACCEPT`,
    `${iptables} -t nat ${verb} POSTROUTING -m addrtype --src-type LOCAL -o ${bridge} ${there} -j MASQUERADE`,
    `${iptables} -t nat ${verb} OUTPUT ${isSix(to) ? "! -d ::1 " : ""}${dnat}`,
    `${iptables} -t nat ${verb} PREROUTING ${dnat}`,
  ];
}
