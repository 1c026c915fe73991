/**
 * The demo's machine: namespaces, veth pairs and bridges, all of them its own, so that the real host sees none of it.
 *
 *   outside 192.0.2.2 --- 192.0.2.1 host [bridges mynet, ingress, gw] --- every task and container, the ingress sandbox
 */
import { exec } from "../os/exec.ts";

const PREFIX = "eleven-";

/** Path of one of the demo's namespaces. */
export const pathOf = (name: string): string => `/run/netns/${PREFIX}${name}`;

/** The name that `ip netns exec` takes. */
export const nameOf = (name: string): string => `${PREFIX}${name}`;

export class Wiring {
  readonly #made = new Set<string>();
  /** Interface names have 15 octets at most, so the host's ends are numbered. */
  #port = 0;

  /** A machine with these bridges: name to the host's address on it ("10.0.1.1/24"), if it has one. */
  async start(bridges: Readonly<Record<string, string | undefined>>): Promise<void> {
    await this.namespace("host");
    for (const [bridge, address] of Object.entries(bridges)) {
      const own = address === undefined ? [] : [`addr add ${address} dev ${bridge}`];
      await this.#ip("host", [`link add ${bridge} up type bridge`, ...own]);
    }
    await this.namespace("outside");
    await this.#ip("host", [
      `link add uplink up type veth peer name eth0 netns ${nameOf("outside")}`,
      "addr add 192.0.2.1/24 dev uplink",
    ]);
    await this.#ip("outside", ["addr add 192.0.2.2/24 dev eth0", "link set eth0 up"]);
    await this.forwarding("host");
  }

  /** A new namespace; one that an earlier run left behind is removed first. */
  async namespace(name: string): Promise<void> {
    await exec("ip", ["netns", "del", nameOf(name)]);
    this.#made.add(name);
    await done("ip", ["netns", "add", nameOf(name)]);
    await this.#ip(name, ["link set lo up"]);
  }

  /** An interface in the namespace, on one of the host's bridges. */
  async plug(name: string, device: string, bridge: string, address: string): Promise<void> {
    const port = `p${++this.#port}`;
    await this.#ip("host", [
      `link add ${port} master ${bridge} up type veth peer name ${device} netns ${nameOf(name)}`,
    ]);
    await this.#ip(name, [`addr add ${address} dev ${device}`, `link set ${device} up`]);
  }

  async defaultRoute(name: string, via: string): Promise<void> {
    await this.#ip(name, [`route add default via ${via}`]);
  }

  async forwarding(name: string): Promise<void> {
    await done("sh", ["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], { netns: pathOf(name) });
  }

  async remove(name: string): Promise<void> {
    this.#made.delete(name);
    await exec("ip", ["netns", "del", nameOf(name)]);
  }

  /** Nothing is left: what hangs on a namespace goes with it. */
  async close(): Promise<void> {
    for (const name of [...this.#made]) await this.remove(name);
  }

  async #ip(name: string, lines: readonly string[]): Promise<void> {
    await done("ip", ["-batch", "-"], { netns: pathOf(name), input: `${lines.join("\n")}\n` });
  }
}

async function done(command: string, args: string[], options = {}): Promise<void> {
  const { status, stderr } = await exec(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim() || `status ${status}`}`);
}
