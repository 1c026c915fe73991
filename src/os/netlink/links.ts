/**
 * Interfaces and routes as a small machine of namespaces needs them: `ip link add`, `ip route add default`, in the network namespace of
 * the calling thread. linux/if_link.h, linux/veth.h.
 *
 *   NEWLINK   ifinfomsg, name 3, master 10, kind 18 { 1 "veth", 2 { 1 peer } }
 *   peer      ifinfomsg, name 3, namespace 28 (a descriptor)
 *   NEWROUTE  rtmsg, gateway 5
 *
 * Nothing here removes an interface: that takes 20 ms of this thread, and all of them go with their namespace, which takes none.
 */
import { closeSync } from "node:fs";
import { OsError } from "../error.ts";
import { openNamespace } from "../netns.ts";
import { socketFamily } from "../sockaddr.ts";
import { refused } from "./connection.ts";
import { deviceIndex, withRoutes } from "./rtnetlink.ts";
import { MessageWriter } from "./write.ts";

/** An interface to be made. It is up at once; the other end of a veth is not, and can't be before both are there. */
export type NewLink =
  | { readonly kind: "bridge"; readonly name: string }
  | {
      readonly kind: "veth";
      readonly name: string;
      /** One that is here already, whose port this end becomes. */
      readonly bridge?: string;
      /** The other end, and the path of the namespace that it is in. */
      readonly peer: { readonly name: string; readonly netns: string };
    };

const NEW_LINK = 16;
const NEW_ROUTE = 24;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

const IFLA = { name: 3, master: 10, info: 18, netns: 28 };
const INFO = { kind: 1, data: 2 };
const VETH_PEER = 1;
const IFF_UP = 1;
const RTA_GATEWAY = 5;
const [TABLE_MAIN, PROTOCOL_BOOT, SCOPE_UNIVERSE, TYPE_UNICAST] = [254, 3, 0, 1] as const;
const ENODEV = 19;

/** Throws an OsError: EEXIST if one of the two names is taken where it shall be, EOPNOTSUPP if the kernel has no such interfaces. */
export function addLink(link: NewLink): void {
  const there = link.kind === "veth" ? openNamespace(link.peer.netns) : undefined;
  try {
    add(link, there);
  } finally {
    if (there !== undefined) closeSync(there);
  }
}

/** As `ip link set DEVICE up`. Throws an OsError. */
export function bringUp(device: string): void {
  const op = "link up";
  withRoutes((netlink) => {
    const to = new MessageWriter().message(NEW_LINK, 0, UP, (to) => to.text(IFLA.name, device));
    const [refusal] = netlink.execute(op, to);
    if (refusal !== undefined) throw refused(op, refusal, device);
  });
}

/** The way to everything that no other route leads to. Throws an OsError: the gateway must be on a network of ours. */
export function addDefaultRoute(gateway: string): void {
  const op = "route add";
  const family = socketFamily(gateway);
  const rtmsg = [family, 0, 0, 0, TABLE_MAIN, PROTOCOL_BOOT, SCOPE_UNIVERSE, TYPE_UNICAST, 0, 0, 0, 0];
  withRoutes((netlink) => {
    const to = new MessageWriter();
    to.message(NEW_ROUTE, NLM_F_CREATE | NLM_F_EXCL, rtmsg, () => to.address(RTA_GATEWAY, gateway));
    const [refusal] = netlink.execute(op, to);
    if (refusal !== undefined) throw refused(op, refusal, `default via ${gateway}`);
  });
}

function add(link: NewLink, there = -1): void {
  const op = `${link.kind} add`;
  withRoutes((netlink) => {
    const bridge = link.kind === "veth" ? link.bridge : undefined;
    const master = bridge === undefined ? undefined : deviceIndex(netlink, bridge);
    if (bridge !== undefined && master === undefined)
      throw new OsError(op, ENODEV, link.name, `there is no bridge ${bridge}`);
    const to = new MessageWriter();
    to.message(NEW_LINK, NLM_F_CREATE | NLM_F_EXCL, UP, () => {
      to.text(IFLA.name, link.name);
      if (master !== undefined) to.u32(IFLA.master, master);
      to.nested(IFLA.info, () => {
        to.text(INFO.kind, link.kind);
        if (link.kind === "veth") peer(to, link.peer.name, there);
      });
    });
    const [refusal] = netlink.execute(op, to);
    if (refusal !== undefined) throw refused(op, refusal, link.name);
  });
}

/** The peer's own header stands within an attribute, in front of its attributes. */
function peer(to: MessageWriter, name: string, there: number): void {
  to.nested(INFO.data, () =>
    to.nested(VETH_PEER, () => to.append(NO_CHANGE).text(IFLA.name, name).u32(IFLA.netns, there)),
  );
}

/** ifinfomsg, of whatever kind: flags stay as they are, or one of them becomes "up". */
const NO_CHANGE = Buffer.alloc(16);
const UP = Buffer.alloc(16);
UP.writeUInt32LE(IFF_UP, 8);
UP.writeUInt32LE(IFF_UP, 12);
