/**
 * A server as elements of maps from VIPs and ports to its mark. Whom it leads to, and how, is in IPVS: of that, the table knows only
 * whether it takes anything new. That is its form.
 */
import type { VirtualServer } from "../../../state.ts";
import { NOT_WHOLE } from "../../common/typed.ts";
import { idOf } from "../../inet-table/changes.ts";
import type { Dialect } from "../../inet-table/dialect.ts";
import {
  inFamily,
  NOTHING,
  ownsVip,
  type Parts,
  type Placed,
  portKey,
  serverElements,
} from "../../inet-table/parts.ts";
import { isLeading } from "../../inet-table/sets.ts";
import { isIdle, isLocal, UNSERVED } from "../server.ts";
import { SKELETON } from "./skeleton.ts";

const [SERVING, IDLE] = [0, 1];

export const MARKS: Dialect = {
  skeleton: SKELETON,
  led: {
    ports: ["marked-ports", "marked-port-ranges"],
    declared: ["marked-local-ports", "marked-arriving-ports"],
    to: (mark) => mark,
  },
  step: (before, server) => {
    const old = before === undefined ? NOTHING : serverParts(before.server, before.form === IDLE);
    if (server === undefined) return { before: old, after: NOTHING, installed: undefined };
    const form = formOf(server);
    return { before: old, after: serverParts(server, form === IDLE), installed: { server, form } };
  },
  turn: (server) => ({ installed: { server, form: formOf(server) }, slots: [] }),
  // Where IPVS says otherwise, a step was interrupted between the two, or somebody changed IPVS.
  asFound: (server, there) => {
    const form = there.has(idOf(idleElement(server))) ? IDLE : SERVING;
    const whole = form === formOf(server) ? server : { ...server, affinity: NOT_WHOLE };
    return { installed: { server: whole, form }, parts: serverParts(server, form === IDLE) };
  },
  leaver: {
    chain: () => undefined,
    set: () => undefined,
    element: ({ in: name, value }) => (isLeading(name) ? value : undefined),
  },
};

const formOf = (server: VirtualServer): number => (isIdle(server) ? IDLE : SERVING);

function serverParts(server: VirtualServer, idle: boolean): Parts {
  const { vip, mark, keepSource, forwarding } = server;
  const elements = [
    // Scheduler and affinity are IPVS's.
    ...serverElements({ ...server, scheduler: "rr", affinity: 0 }),
    ...(ownsVip(server) ? vipElements(server) : []),
    ...portElements(server),
    ...(keepSource ? [] : [{ in: inFamily("masqueraded", vip), key: `${mark}` }]),
    ...(idle ? [idleElement(server)] : []),
    // With direct routing, what IPVS has taken still goes to the VIP.
    ...(isLocal(server) && forwarding === "masquerade" ? [{ in: inFamily("vips", vip), key: vip }] : []),
  ];
  return { ...NOTHING, elements };
}

const idleElement = ({ vip, mark }: VirtualServer): Placed => ({ in: inFamily("idle", vip), key: `${mark}` });

/** With declared ports only, all others have a mark that IPVS does not know. */
function vipElements(server: VirtualServer): readonly Placed[] {
  const { vip, mark, only } = server;
  const way = isLocal(server) ? "marked-local" : "marked-arriving";
  if (only === undefined) return [{ in: inFamily(way, vip), key: vip, value: `${mark}` }];
  const unserved = `${UNSERVED + mark}`;
  return [
    { in: inFamily(way, vip), key: vip, value: unserved },
    { in: inFamily("undeclared", vip), key: unserved },
    ...only.map((range) => ({
      in: inFamily(`${way}-ports`, vip),
      key: `${vip} . ${portKey(range)}`,
      value: `${mark}`,
    })),
  ];
}

const portElements = (server: VirtualServer): readonly Placed[] =>
  server.ports.flatMap((range): Placed[] => {
    const { vip, mark } = server;
    const [key, value] = [portKey(range), `${mark}`];
    return [
      { in: inFamily(range.last === undefined ? "marked-ports" : "marked-port-ranges", vip), key, value },
      ...(ownsVip(server) ? [] : [{ in: inFamily("marked-kept-ports", vip), key: `${vip} . ${key}`, value }]),
    ];
  });
