/**
 * A container beside the host's bridge of the routing mesh. Published ports that answer at the host's own 127.0.0.1 need
 * route_localnet of that bridge, with which the kernel lets packets for 127.0.0.1 in from there (CVE-2020-8558).
 *
 *   host       bridge gw 172.30.0.1, something that listens on 127.0.0.1:9999 only
 *   ingress    172.30.0.2, answers on 8080, which the host publishes
 *   attacker   172.30.0.9
 */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LbBackend } from "../../src/lb-programmer/backends/backend.ts";
import { Found } from "../../src/lb-programmer/backends/common/found.ts";
import { IpvsBackend } from "../../src/lb-programmer/backends/ipvs/backend.ts";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbState, type LbTarget } from "../../src/lb-programmer/state.ts";
import { StateDir } from "../../src/os/state-dir.ts";
import { eventually, withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";

const LISTEN = `
  const [address, port, answer] = process.argv.slice(1);
  require("node:net").createServer((s) => s.end(answer)).listen(port, address, () => console.log("ready"));`;

const HEAR = `
  const [address, port, file] = process.argv.slice(1);
  const { appendFileSync } = require("node:fs");
  appendFileSync(file, "");
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", (text) => appendFileSync(file, text)).bind(port, address, () => console.log("ready"));`;

const PUBLISHED: LbState = {
  ...EMPTY,
  published: [{ protocol: "tcp", port: 8080, to: "172.30.0.2", toPort: 8080, bridge: "gw" }],
};

const BACKENDS: readonly (readonly [string, (found: Found) => LbBackend])[] = [
  ["nftables", (found) => new NftablesBackend({ found })],
  ["iptables, as ipvs has it", (found) => new IpvsBackend({ found, iptables: "nft" })],
];

describe.skipIf(withoutNamespaces()).each(BACKENDS)("beside the host's bridge: %s", (_, make) => {
  let containers: Containers;
  let folder: string;
  let backend: LbBackend;
  let target: LbTarget;
  const process = () => make(new Found(new StateDir(folder)));

  beforeEach(async () => {
    containers = new Containers();
    folder = mkdtempSync(join(tmpdir(), "eleven-state-"));
    await containers.add("host", "ingress", "attacker");
    for (const words of [
      "-n @host link set lo up",
      "-n @host link add gw up type bridge",
      "-n @host address add 172.30.0.1/24 dev gw",
      ...["ingress", "attacker"].flatMap((name) => [
        `-n @${name} link add eth0 type veth peer name ${name} netns @host`,
        `-n @host link set ${name} master gw up`,
        `-n @${name} address add 172.30.0.${name === "ingress" ? 2 : 9}/24 dev eth0`,
        `-n @${name} link set eth0 up`,
      ]),
    ])
      await containers.ip(words);
    await containers.exec("host", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    const node = globalThis.process.execPath;
    await containers.start("host", node, "-e", LISTEN, "127.0.0.1", "9999", "secret");
    await containers.start("ingress", node, "-e", LISTEN, "172.30.0.2", "8080", "published");
    backend = process();
    target = { kind: "host", id: "host", bridge: "gw", to4: "172.30.0.2", netns: containers.path("host") };
  });
  afterEach(() => {
    backend.close?.();
    containers.clean();
  });

  const become = async (state: LbState) => backend.apply(target, diff(await backend.read(target, []), state), state);
  const ask = (short: string, address: string, port: number) =>
    containers.exec(short, "bash", "-c", `timeout 2 bash -c 'cat < /dev/tcp/${address}/${port}' 2>&1 || true`);
  const routeLocalnet = () => containers.exec("host", "cat", "/proc/sys/net/ipv4/conf/gw/route_localnet");
  const setRouteLocalnet = (value: string) =>
    containers.exec("host", "sh", "-c", `echo ${value} > /proc/sys/net/ipv4/conf/gw/route_localnet`);

  test("it routes 127.0.0.1 to the host: what listens there is not reached, published ports are, from where they should be", async () => {
    await become(PUBLISHED);
    containers.attack(
      "attacker",
      "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; ip route add 127.0.0.0/8 via 172.30.0.1",
    );
    expect(await ask("attacker", "127.0.0.1", 9999)).not.toContain("secret");
    expect(await ask("attacker", "127.0.0.1", 8080)).not.toContain("published");
    expect(await ask("attacker", "172.30.0.1", 8080)).toBe("published");
    expect(await ask("host", "127.0.0.1", 8080)).toBe("published");
    expect(await ask("host", "127.0.0.1", 9999)).toBe("secret");
    expect(await backend.read(target, [])).toEqual(PUBLISHED);
  });

  test("it says that it is 127.0.0.1: the host hears nothing of it", async () => {
    await become(PUBLISHED);
    const heard = join(folder, "heard");
    await containers.start("host", globalThis.process.execPath, "-e", HEAR, "172.30.0.1", "9998", heard);
    containers.attack(
      "attacker",
      `echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; ip address add 127.0.0.9/32 dev eth0
       ip route add 172.30.0.1 dev eth0 src 127.0.0.9
       echo forged > /dev/udp/172.30.0.1/9998
       ip route replace 172.30.0.1 dev eth0 src 172.30.0.9
       echo honest > /dev/udp/172.30.0.1/9998`,
    );
    await eventually(
      () => readFileSync(heard, "utf8"),
      (text) => text.includes("honest"),
    );
    expect(readFileSync(heard, "utf8")).toBe("honest\n");
  });

  test.each([
    ["0", "0"],
    ["1", "1"],
  ])("a setting that was %s is %s after the end", async (before, after) => {
    await setRouteLocalnet(before);
    await become(PUBLISHED);
    expect(await routeLocalnet()).toBe("1");
    await backend.clear(target);
    expect(await routeLocalnet()).toBe(after);
    expect(await containers.exec("host", "sh", "-c", "iptables-save; nft list tables")).not.toMatch(/eleven/i);
  });

  test("so it is when another process ends what this one began, and when nothing is published any more", async () => {
    await become(PUBLISHED);
    backend = process();
    await become({ ...PUBLISHED, published: [{ ...PUBLISHED.published[0]!, toPort: 8081 }] });
    expect(await routeLocalnet()).toBe("1");
    await become(EMPTY);
    expect(await routeLocalnet()).toBe("0");
    await become(PUBLISHED);
    await process().clear(target);
    expect(await routeLocalnet()).toBe("0");
  });

  test("somebody sets it back: seen, and set again", async () => {
    await become(PUBLISHED);
    await setRouteLocalnet("0");
    expect((await backend.read(target, [])).published).toEqual([]);
    await become(PUBLISHED);
    expect(await routeLocalnet()).toBe("1");
  });
});
