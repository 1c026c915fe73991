/**
 * What Docker 20.10 installed (iptables-save, ipvsadm -Sn and addresses, dumped from a swarm of one node), against what we plan for the
 * same services with placement "network". Left out of the dumps: rules of the DNS resolver, of bridges, and of filter.
 */
import { expect, test } from "vitest";
import { ipvsSysctls } from "../../../src/lb-programmer/backends/ipvs/sysctls.ts";
import { Planner } from "../../../src/lb-programmer/plan/planner.ts";
import type { LbState, LbTarget } from "../../../src/lb-programmer/state.ts";
import { lbWorld } from "../../lb-programmer/lb-world.ts";

/** Docker counts marks up over all networks and never gives one out again. */
const MARKS: Record<string, number> = {
  "web/mynet/4": 256,
  "api/mynet/4": 257,
  "pub/ingress/4": 258,
  "pub/mynet/4": 259,
  "hostpub/mynet/4": 260,
  "both/net2/4": 263,
  "both/mynet/4": 264,
  "inner/inet/4": 265,
};

const PUBLISHED = `
  network mynet overlay 10.0.1.0/24
  network ingress overlay ingress 10.0.0.0/24
  service web on mynet vip=10.0.1.4
  task web.1 on mynet ip=10.0.1.5
  task web.2 on mynet ip=10.0.1.6
  service api on mynet vip=10.0.1.8
  task api.1 on mynet ip=10.0.1.9
  service pub on mynet vip=10.0.1.13
  mesh pub on ingress vip=10.0.0.3
  publish pub 8080:80/tcp
  publish pub 5353:53/udp
  task pub.1 on ingress ip=10.0.0.4 on mynet ip=10.0.1.14
  task pub.2 on ingress ip=10.0.0.5 on mynet ip=10.0.1.15
  sandbox pub.1`;

const MULTI = `
  network mynet overlay 10.0.1.0/24
  network net2 overlay 10.0.10.0/24
  network inet overlay internal 10.0.9.0/24
  service both on mynet vip=10.0.1.20 on net2 vip=10.0.10.2
  task both.1 on mynet ip=10.0.1.21 on net2 ip=10.0.10.3
  service inner on inet vip=10.0.9.2
  task inner.1 on inet ip=10.0.9.3
  service rr dnsrr on mynet
  task rr.1 on mynet ip=10.0.1.22
  service hostpub on mynet vip=10.0.1.16
  task hostpub.1 on mynet ip=10.0.1.17`;

const network = (id: string, ip4: string): LbTarget => ({ kind: "network", id, network: id, ip4, device: "eth0" });

test.each<[string, string, LbTarget, string]>([
  [
    "a network with three services",
    PUBLISHED,
    network("mynet", "10.0.1.3"),
    `-A INPUT -d 10.0.1.4/32 -j MARK --set-xmark 0x100/0xffffffff
     -A INPUT -d 10.0.1.8/32 -j MARK --set-xmark 0x101/0xffffffff
     -A INPUT -d 10.0.1.13/32 -j MARK --set-xmark 0x103/0xffffffff
     -A POSTROUTING -d 10.0.1.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.1.3
     -A -f 256 -s rr
     -a -f 256 -r 10.0.1.5:0 -m -w 1
     -a -f 256 -r 10.0.1.6:0 -m -w 1
     -A -f 257 -s rr
     -a -f 257 -r 10.0.1.9:0 -m -w 1
     -A -f 259 -s rr
     -a -f 259 -r 10.0.1.14:0 -m -w 1
     -a -f 259 -r 10.0.1.15:0 -m -w 1
     eth0 10.0.1.4/32
     eth0 10.0.1.8/32
     eth0 10.0.1.13/32`,
  ],
  [
    "the routing mesh",
    PUBLISHED,
    { kind: "ingress", id: "ingress", network: "ingress", ip4: "10.0.0.2", device: "eth0" },
    `-A PREROUTING -p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x102/0xffffffff
     -A PREROUTING -p udp -m udp --dport 5353 -j MARK --set-xmark 0x102/0xffffffff
     -A INPUT -d 10.0.0.3/32 -j MARK --set-xmark 0x102/0xffffffff
     -A POSTROUTING -d 10.0.0.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.0.2
     -A -f 258 -s rr
     -a -f 258 -r 10.0.0.4:0 -m -w 1
     -a -f 258 -r 10.0.0.5:0 -m -w 1
     eth0 10.0.0.3/32`,
  ],
  [
    "a published task's own namespace",
    PUBLISHED,
    { kind: "sandbox", id: "sandbox/pub.1", sandbox: "pub.1" },
    `-A PREROUTING -d 10.0.0.4/32 -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
     -A PREROUTING -d 10.0.0.4/32 -p udp -m udp --dport 5353 -j REDIRECT --to-ports 53`,
  ],
  [
    "the host",
    PUBLISHED,
    { kind: "host", id: "host", to4: "172.18.0.2", bridge: "docker_gwbridge" },
    `-A DOCKER-INGRESS -p udp -m udp --dport 5353 -j DNAT --to-destination 172.18.0.2:5353
     -A DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080`,
  ],
  [
    "a service on two networks, on its second one",
    MULTI,
    network("net2", "10.0.10.4"),
    `-A INPUT -d 10.0.10.2/32 -j MARK --set-xmark 0x107/0xffffffff
     -A POSTROUTING -d 10.0.10.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.10.4
     -A -f 263 -s rr
     -a -f 263 -r 10.0.10.3:0 -m -w 1
     eth0 10.0.10.2/32`,
  ],
  [
    "an internal network",
    MULTI,
    network("inet", "10.0.9.4"),
    `-A INPUT -d 10.0.9.2/32 -j MARK --set-xmark 0x109/0xffffffff
     -A POSTROUTING -d 10.0.9.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.9.4
     -A -f 265 -s rr
     -a -f 265 -r 10.0.9.3:0 -m -w 1
     eth0 10.0.9.2/32`,
  ],
  [
    "beside a dnsrr service, which has nothing",
    MULTI,
    network("mynet", "10.0.1.3"),
    `-A INPUT -d 10.0.1.16/32 -j MARK --set-xmark 0x104/0xffffffff
     -A INPUT -d 10.0.1.20/32 -j MARK --set-xmark 0x108/0xffffffff
     -A POSTROUTING -d 10.0.1.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.1.3
     -A -f 260 -s rr
     -a -f 260 -r 10.0.1.17:0 -m -w 1
     -A -f 264 -s rr
     -a -f 264 -r 10.0.1.21:0 -m -w 1
     eth0 10.0.1.16/32
     eth0 10.0.1.20/32`,
  ],
])("as Docker has it: %s", (_, world, target, dump) => {
  const context = {
    placement: "network",
    marks: (key: string) => MARKS[key] ?? 0,
    node: "node-1",
    sysctls: ipvsSysctls({}),
  } as const;
  const state = new Planner(context).plan(lbWorld(world), target);
  const lines = dump.split("\n").map((line) => line.trim());
  expect(dockerLines(state).sort()).toEqual(lines.sort());
  const balances = target.kind === "network" || target.kind === "ingress";
  const forwards = target.kind === "sandbox" ? {} : { "net/ipv4/ip_forward": "1" }; // everywhere, in Docker's case
  expect(state.sysctls).toEqual({ ...forwards, ...(balances && { ...SYSCTLS, ...NO_REDIRECTS }) });
});

const SYSCTLS = {
  "net/ipv4/vs/conntrack": "1",
  "net/ipv4/vs/conn_reuse_mode": "0",
  "net/ipv4/vs/expire_nodest_conn": "1",
  "net/ipv4/vs/expire_quiescent_template": "1",
};

/** Docker's load balancer tells clients to go around it, and uses up what it may say of errors. */
const NO_REDIRECTS = { "net/ipv4/conf/all/send_redirects": "0", "net/ipv4/conf/eth0/send_redirects": "0" };

/** The state as Docker's dumps would show it. */
function dockerLines(state: LbState): string[] {
  return [
    ...state.servers.flatMap(({ vip, mark, ports, scheduler, destinations }) => [
      ...ports.map((p) => `-A PREROUTING -p ${p.protocol} -m ${p.protocol} --dport ${p.port} ${marked(mark)}`),
      `-A INPUT -d ${vip}/32 ${marked(mark)}`,
      `-A -f ${mark} -s ${scheduler}`,
      ...destinations.map((d) => `-a -f ${mark} -r ${d.address}:0 -m -w ${d.weight}`),
    ]),
    ...state.snats.map((s) => `-A POSTROUTING -d ${s.subnet} -m ipvs --ipvs -j SNAT --to-source ${s.to}`),
    ...state.addresses.map((a) => `${a.device} ${a.address}/32`),
    ...state.redirects.map(
      (r) =>
        `-A PREROUTING -d ${r.address}/32 -p ${r.protocol} -m ${r.protocol} --dport ${r.published} -j REDIRECT --to-ports ${r.target}`,
    ),
    ...state.published.map(
      (p) =>
        `-A DOCKER-INGRESS -p ${p.protocol} -m ${p.protocol} --dport ${p.port} -j DNAT --to-destination ${p.to}:${p.toPort}`,
    ),
  ];
}

const marked = (mark: number): string => `-j MARK --set-xmark 0x${mark.toString(16)}/0xffffffff`;
