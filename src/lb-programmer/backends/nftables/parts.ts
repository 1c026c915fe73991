/** A server as chains, sets of clients, and elements that lead to them. */
import { familyOf } from "../../../model/address.ts";
import type { Key, Statement } from "../../../os/nftables/statement.ts";
import type { NamedSet } from "../../../os/nftables/types.ts";
import { numbersText } from "../../port-ranges.ts";
import type { Destination, VirtualServer } from "../../state.ts";
import { shortName } from "../inet-table/comment.ts";
import { inFamily, NOTHING, ownsVip, type Parts, type Placed, portKey, serverElements } from "../inet-table/parts.ts";
import { clientSet, type Family, type Name, type SlotMap } from "../inet-table/sets.ts";
import { IP, type Rule } from "../inet-table/words.ts";
import { ROOM, slots } from "./slots.ts";

export const serverChain = (mark: number): string => `s-${mark}`;
export const bytesCounter = (mark: number): string => `b-${mark}`;
/** Names take no colons. */
const taskChain = (mark: number, address: string): string => `t-${mark}-${address.replaceAll(":", "_")}`;
const clientsOf = (mark: number, address: string): string => `c-${mark}-${address.replaceAll(":", "_")}`;

/** Mark of the server whose task's they are. */
export const leaverOf = {
  chain: (name: string): string | undefined => /^t-(\d{3,7})-[\da-f._]{2,45}$/.exec(name)?.[1],
  set: (name: string): string | undefined => /^c-(\d{3,7})-[\da-f._]{2,45}$/.exec(name)?.[1],
};

/**
 * A server's chain is one rule: `counter name s-256 dnat to numgen inc mod 3 offset 262144 map @slots4-1`, with `jhash ip saddr` in the
 * place of numgen for "sh" and "mh". The counter is of the same name as the chain,
 * and stays when rules are written anew; so does `b-256`, which counts packets, by base chains (skeleton.ts). With affinity each task has a set of its clients, and a chain that puts them there (as kube-proxy has it):
 *
 *   s-256:       counter name s-256
 *                ip saddr @c-256-A goto t-256-A … then numgen inc mod 3 offset 262144 vmap @turns-1
 *   t-256-A:     update @c-256-A { ip saddr }
 *                dnat ip to A
 *
 * Where connections take turns, slots begin with the one whose number is `start` (turns.ts).
 *
 * "direct" forwarding needs IPVS. Here such connections are masqueraded: they work, and tasks see this namespace as the client.
 */
export function serverParts(server: VirtualServer, start = 0): Parts {
  const row = slots(server);
  const elements = [...ownElements(server), ...taskElements(server, start, row)];
  return { ...serverRules(server, row), elements };
}

/** All of that but for elements; where its turns begin is not in it. */
export const serverRules = (server: VirtualServer, row = slots(server)): Omit<Parts, "elements"> =>
  server.affinity === 0 ? turning(server, row) : remembering(server, row);

/** Elements that are the same whichever tasks it has, as long as one of them takes connections: what it is, and what leads to its chain. */
export function ownElements(server: VirtualServer): readonly Placed[] {
  const goto = `goto ${serverChain(server.mark)}`;
  const idle = isIdle(server);
  const elements = [...serverElements(server)];
  if (ownsVip(server)) elements.push(...vipElements(server, goto, idle));
  elements.push(...portElements(server, goto, idle));
  return elements;
}

export const isIdle = ({ destinations }: VirtualServer): boolean => destinations.every(({ weight }) => weight === 0);

/** The other elements: its tasks, and the slots that lead to them. */
export function taskElements(server: VirtualServer, start: number, row = slots(server)): readonly Placed[] {
  const elements = server.destinations.map((task) => taskElement(server, task));
  for (const slot of slotElements(server, start, row)) elements.push(slot);
  return elements;
}

/** Of these elements, those that are others where its turns begin with another slot; nothing else is. */
export function slotElements(server: VirtualServer, start: number, row = slots(server)): readonly Placed[] {
  const { mark, affinity } = server;
  const to = turned(server, row, start);
  if (affinity > 0)
    return numbered(
      turnsName(server),
      mark,
      to.map((task) => `goto ${taskChain(mark, task)}`),
    );
  return row.length === 1 ? [] : numbered(slotsName(server), mark, to);
}

function vipElements(
  { vip, mark, from, only, keepSource, forwarding }: VirtualServer,
  goto: string,
  idle: boolean,
): Placed[] {
  const way = from === "local" ? "local" : "arriving";
  const led =
    only === undefined
      ? [{ in: inFamily(way, vip), key: vip, value: goto }]
      : only.map((range) => ({ in: inFamily(`${way}-ports`, vip), key: `${vip} . ${portKey(range)}`, value: goto }));
  return [
    ...led,
    { in: inFamily(`bytes-${way}`, vip), key: vip, value: bytesCounter(mark) },
    ...(idle || only !== undefined ? [{ in: inFamily(`refused-${way}`, vip), key: vip }] : []),
    ...(keepSource ? [{ in: inFamily("kept", vip), key: vip }] : []),
    ...(forwarding === "direct" && from !== "local" ? [{ in: inFamily("direct", vip), key: vip }] : []),
  ];
}

const portElements = ({ vip, mark, ports, keepSource }: VirtualServer, goto: string, idle: boolean): Placed[] =>
  ports.flatMap((range): Placed[] => {
    const [key, wide] = [portKey(range), range.last !== undefined];
    return [
      { in: inFamily(wide ? "port-ranges" : "ports", vip), key, value: goto },
      { in: inFamily(`bytes-${range.protocol}`, vip), key: numbersText(range), value: bytesCounter(mark) },
      ...(idle ? [{ in: inFamily(wide ? "refused-ranges" : "refused-ports", vip), key }] : []),
      ...(keepSource ? [{ in: inFamily(`kept-${range.protocol}`, vip), key: numbersText(range) }] : []),
    ];
  });

const taskElement = ({ vip, mark }: VirtualServer, { address, weight }: Destination): Placed => ({
  in: inFamily("tasks", vip),
  key: `${mark} . ${address}`,
  value: `${weight}`,
});

/** Connections take turns. A single task needs no slots. */
function turning(server: VirtualServer, row: readonly string[]): Omit<Parts, "elements"> {
  const { mark, vip } = server;
  const to = row.length === 1 ? row[0]! : { key: [picked(server, row.length)], map: slotsName(server) };
  const rules = row.length === 0 ? [] : [[counted(server), dnat(familyOf(vip), to)]];
  const chains = new Map([[serverChain(mark), rules]]);
  return { chains, sets: NOTHING.sets, ...named(server) };
}

/** Clients come back to the task they had. */
function remembering(server: VirtualServer, row: readonly string[]): Omit<Parts, "elements"> {
  const { mark, affinity, vip } = server;
  const family = familyOf(vip);
  const saddr = [`${IP[family]} saddr`] as const;
  const tasks = [...new Set(row)].sort();
  const stay = tasks.map((task): Rule => {
    const known: Statement = { kind: "in set", key: saddr, set: clientsOf(mark, task) };
    return [known, { kind: "verdict", verdict: `goto ${taskChain(mark, task)}` }];
  });
  const pick: Rule[] =
    row.length === 0 ? [] : [[{ kind: "vmap", key: [picked(server, row.length)], map: turnsName(server) }]];
  const chains = new Map<string, readonly Rule[]>([[serverChain(mark), [[counted(server)], ...stay, ...pick]]]);
  const sets = new Map<string, NamedSet>();
  for (const task of tasks) {
    const clients = clientsOf(mark, task);
    sets.set(clients, clientSet(clients, family, affinity));
    // Two rules: where the set is full, the first ends there, and the client is served without being remembered.
    chains.set(taskChain(mark, task), [[{ kind: "update", set: clients, key: saddr }], [dnat(family, task)]]);
  }
  return { chains, sets, ...named(server) };
}

const counted = ({ mark }: VirtualServer): Statement => ({ kind: "count", counter: serverChain(mark) });
const named = (server: VirtualServer) => ({
  counters: [serverChain(server.mark), bytesCounter(server.mark)],
  comment: shortName(server),
});

const dnat = (family: Family, to: Extract<Statement, { kind: "nat" }>["to"]): Statement => ({
  kind: "nat",
  type: "dnat",
  family: IP[family],
  to,
});

/** A client's hash leads to the same task everywhere. */
function turned(server: VirtualServer, row: readonly string[], start: number): readonly string[] {
  const by = isHashed(server) ? 0 : start % row.length;
  return by > 0 ? [...row.slice(by), ...row.slice(0, by)] : row;
}

const isHashed = ({ scheduler }: VirtualServer): boolean => scheduler === "sh" || scheduler === "mh";

/** A slot's number. "lc" and "wlc" fall back to taking turns: nftables does not count a task's connections. */
function picked(server: VirtualServer, mod: number): Key {
  const offset = server.mark * ROOM;
  if (!isHashed(server)) return { numgen: "inc", mod, offset };
  return { jhash: `${IP[familyOf(server.vip)]} saddr`, mod, seed: 0x11, offset };
}

const slotsName = ({ vip, mark }: VirtualServer): SlotMap => `slots${familyOf(vip)}-${mark >> 8}`;
const turnsName = ({ mark }: VirtualServer): SlotMap => `turns-${mark >> 8}`;

const numbered = (name: Name, mark: number, values: readonly string[]): readonly Placed[] =>
  values.map((value, i) => ({ in: name, key: `${mark * ROOM + i}`, value }));
