/**
 * The demo's machine: namespaces, veth pairs and bridges, all of them its own, so that the real host sees none of it. The kernel alone is
 * asked, no tool: whatever it refuses is thrown as an OsError.
 *
 *   outside 192.0.2.2 --- 192.0.2.1 host [bridges mynet, ingress, gw] --- every task and container, the ingress sandbox
 */
import { writeFileSync } from "node:fs";
import { osError } from "../os/error.ts";
import { bringLoopbackUp } from "../os/link.ts";
import { addDefaultRoute, addLink, bringUp } from "../os/netlink/links.ts";
import { addAddress } from "../os/netlink/rtnetlink.ts";
import { inNetns } from "../os/netns.ts";
import { makeNetns, removeNetns } from "../os/new-netns.ts";

const PREFIX = "eleven-";

/** Path of one of the demo's namespaces. */
export const pathOf = (name: string): string => `/run/netns/${PREFIX}${name}`;

/** The name that `ip netns exec` takes. */
export const nameOf = (name: string): string => `${PREFIX}${name}`;

const FORWARDING = "/proc/sys/net/ipv4/ip_forward";

export class Wiring {
  readonly #made = new Set<string>();
  /** Interface names have 15 octets at most, so the host's ends are numbered. */
  #port = 0;

  /** A machine with these bridges: name to the host's address on it ("10.0.1.1/24"), if it has one. */
  start(bridges: Readonly<Record<string, string | undefined>>): void {
    this.namespace("host");
    inNetns(pathOf("host"), () => {
      for (const [name, address] of Object.entries(bridges)) {
        addLink({ kind: "bridge", name });
        if (address !== undefined) give(name, address);
      }
    });
    this.namespace("outside");
    this.#veth("uplink", undefined, "outside", "eth0", "192.0.2.2/24");
    inNetns(pathOf("host"), () => give("uplink", "192.0.2.1/24"));
    this.forwarding("host");
  }

  /** A new namespace; one that an earlier run left behind is removed first. */
  namespace(name: string): void {
    removeNetns(pathOf(name));
    makeNetns(pathOf(name));
    this.#made.add(name);
    inNetns(pathOf(name), bringLoopbackUp);
  }

  /** An interface in the namespace, on one of the host's bridges. */
  plug(name: string, device: string, bridge: string, address: string): void {
    this.#veth(`p${++this.#port}`, bridge, name, device, address);
  }

  defaultRoute(name: string, via: string): void {
    inNetns(pathOf(name), () => addDefaultRoute(via));
  }

  forwarding(name: string): void {
    inNetns(pathOf(name), () => {
      try {
        writeFileSync(FORWARDING, "1");
      } catch (error) {
        throw osError("write", error, FORWARDING);
      }
    });
  }

  remove(name: string): void {
    this.#made.delete(name);
    removeNetns(pathOf(name));
  }

  /** Nothing is left: what hangs on a namespace goes with it. */
  close(): void {
    for (const name of this.#made) this.remove(name);
  }

  /** From the host, from a port of its bridge if one is named, to an interface with an address somewhere else. */
  #veth(port: string, bridge: string | undefined, name: string, device: string, address: string): void {
    const peer = { name: device, netns: pathOf(name) };
    inNetns(pathOf("host"), () => addLink({ kind: "veth", name: port, peer, ...(bridge !== undefined && { bridge }) }));
    inNetns(pathOf(name), () => {
      give(device, address);
      bringUp(device);
    });
  }
}

/** "10.0.1.1/24", in the namespace of this thread. */
function give(device: string, text: string): void {
  const [address = "", prefix] = text.split("/");
  addAddress({ address, prefix: Number(prefix), device });
}
