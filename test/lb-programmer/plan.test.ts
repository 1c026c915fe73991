import { describe, expect, test } from "vitest";
import { conntrackSysctls } from "../../src/lb-programmer/backends/common/conntrack-sysctls.ts";
import { ipvsSysctls } from "../../src/lb-programmer/backends/ipvs/sysctls.ts";
import { KernelModel } from "../../src/lb-programmer/backends/kernel-model.ts";
import { Marks } from "../../src/lb-programmer/marks.ts";
import type { PlanContext } from "../../src/lb-programmer/plan/context.ts";
import { Planner } from "../../src/lb-programmer/plan/planner.ts";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import { lbWorld } from "./lb-world.ts";
import { stateText } from "./state-text.ts";

const TARGETS = {
  client: { kind: "sandbox", id: "sandbox/client", sandbox: "client" },
  "web.1": { kind: "sandbox", id: "sandbox/web.1", sandbox: "web.1" },
  "pub.1": { kind: "sandbox", id: "sandbox/pub.1", sandbox: "pub.1" },
  nobody: { kind: "sandbox", id: "sandbox/nobody", sandbox: "nobody" },
  both: { kind: "sandbox", id: "sandbox/client", sandbox: "client", also: ["pub.1"] },
  twice: { kind: "sandbox", id: "sandbox/pub.1", sandbox: "pub.1", also: ["pub.1"] },
  mynet: { kind: "network", id: "network/mynet", network: "mynet", ip4: "10.0.1.3", ip6: "fd00:1::3", device: "eth0" },
  mynet4: { kind: "network", id: "network/mynet", network: "mynet", ip4: "10.0.1.3", device: "eth0" },
  ingress: { kind: "ingress", id: "ingress", network: "ingress", ip4: "10.0.0.2", ip6: "fd00::2", device: "eth0" },
  host: { kind: "host", id: "host", to4: "172.18.0.2", to6: "fd18::2", bridge: "docker_gwbridge" },
  host4: { kind: "host", id: "host", to4: "172.18.0.2", bridge: "docker_gwbridge" },
} as const satisfies Record<string, LbTarget>;

function planned(target: keyof typeof TARGETS, world: string, context: Partial<PlanContext> = {}): string {
  const marks = new Marks();
  const defaults: PlanContext = { placement: "sandbox", marks: (k) => marks.of(k), node: "node-1", sysctls: {} };
  const state = new Planner({ ...defaults, ...context }).plan(lbWorld(world), TARGETS[target]);
  new KernelModel(state); // a kernel would take it: throws if two entries are in one place
  return stateText(state);
}

const text = (lines: string): string =>
  lines
    .split("\n")
    .map((l) => l.replace(/^ {6}/, ""))
    .filter((l) => l.trim() !== "")
    .join("\n");

const NETS = `
  network mynet overlay 10.0.1.0/24
  network other overlay 10.0.2.0/24
  network dual overlay 10.0.3.0/24 fd00:3::/64
  network ingress overlay ingress 10.0.0.0/24
  network bridge bridge default 172.17.0.0/16
  sandbox client
`;
const CLIENT = "container client on mynet ip=10.0.1.32";
const WEB = `
  service web on mynet vip=10.0.1.4
  task web.1 on mynet ip=10.0.1.5
  task web.2 on mynet ip=10.0.1.6
  sandbox web.1
`;
const PUB = `
  service pub on mynet vip=10.0.1.13
  mesh pub on ingress vip=10.0.0.3
  publish pub 8080:80/tcp
  publish pub 5353:53/udp
  task pub.1 on ingress ip=10.0.0.4 on mynet ip=10.0.1.14
  task pub.2 node=node-2 on ingress ip=10.0.0.5 on mynet ip=10.0.1.15
  sandbox pub.1
`;

const WEB_SERVER = `
      server web/mynet/4 10.0.1.4 mark 256 local rr
        10.0.1.5 1
        10.0.1.6 1
      address 10.0.1.4 lo`;

describe("a sandbox balances what its member starts", () => {
  test.each([
    ["a service of two tasks", `${CLIENT} ${WEB}`, WEB_SERVER],
    ["the same for a task, itself among the destinations", WEB, WEB_SERVER, "web.1" as const],
    ["nothing of networks that it is not on", `container client on other ip=10.0.2.9 ${WEB}`, ""],
    ["nothing if there is no such member", WEB, ""],
    [
      "nor of one that is not there any more",
      `container client on gone ip=10.9.0.2 on mynet ip=10.0.1.32 ${WEB}`,
      WEB_SERVER,
    ],
    [
      "several networks, both families, one server for each VIP",
      `container client on dual ip=10.0.3.9 on mynet ip=10.0.1.32
       service web on mynet vip=10.0.1.4 on dual vip=10.0.3.4 vip6=fd00:3::4
       task web.1 on mynet ip=10.0.1.5 on dual ip=10.0.3.5 ip6=fd00:3::5
       task web.2 on dual ip6=fd00:3::6`,
      `
      server web/dual/4 10.0.3.4 mark 256 local rr
        10.0.3.5 1
      server web/dual/6 fd00:3::4 mark 257 local rr
        fd00:3::5 1
        fd00:3::6 1
      server web/mynet/4 10.0.1.4 mark 258 local rr
        10.0.1.5 1
      address 10.0.1.4 lo
      address 10.0.3.4 lo
      address fd00:3::4 lo`,
    ],
    [
      "tasks that answer; those that drain get nothing new; others are none",
      `${CLIENT}
       service web on mynet vip=10.0.1.4
       task web.1 on mynet ip=10.0.1.11
       task web.2 health=starting on mynet ip=10.0.1.12
       task web.3 health=unhealthy on mynet ip=10.0.1.13
       task web.4 state=draining on mynet ip=10.0.1.14
       task web.5 state=stopped on mynet ip=10.0.1.15
       task web.6 state=starting on mynet ip=10.0.1.16
       task web.7 state=paused on mynet ip=10.0.1.17
       task web.8 state=draining health=unhealthy on mynet ip=10.0.1.18`,
      `
      server web/mynet/4 10.0.1.4 mark 256 local rr
        10.0.1.11 1
        10.0.1.14 0
        10.0.1.17 1
        10.0.1.18 0
      address 10.0.1.4 lo`,
    ],
    [
      "tasks that start, where the service wants them",
      `${CLIENT}
       service web publish=starting on mynet vip=10.0.1.4
       task web.1 state=starting health=starting on mynet ip=10.0.1.11`,
      `
      server web/mynet/4 10.0.1.4 mark 256 local rr
        10.0.1.11 1
      address 10.0.1.4 lo`,
    ],
    [
      "weights make it weighted",
      `${CLIENT} ${WEB} weight web.2 3`,
      `
      server web/mynet/4 10.0.1.4 mark 256 local wrr
        10.0.1.5 1
        10.0.1.6 3
      address 10.0.1.4 lo`,
    ],
    [
      "as the service says",
      `${CLIENT} ${WEB} weight web.2 3
       balance web scheduler=lc affinity=600`,
      `
      server web/mynet/4 10.0.1.4 mark 256 local lc affinity 600
        10.0.1.5 1
        10.0.1.6 3
      address 10.0.1.4 lo`,
    ],
    [
      "a service without tasks has its VIP: connections are refused",
      `${CLIENT}
       service web on mynet vip=10.0.1.4`,
      `
      server web/mynet/4 10.0.1.4 mark 256 local rr
      address 10.0.1.4 lo`,
    ],
    [
      "dnsrr services have none",
      `${CLIENT}
       service rr dnsrr on mynet
       task rr.1 on mynet ip=10.0.1.5`,
      "",
    ],
    ["nor if one has a VIP left", `${CLIENT} service rr dnsrr on mynet vip=10.0.1.4`, ""],
    [
      "a VIP of the newer family alone",
      `container client on dual ip6=fd00:3::9
       service web on dual vip6=fd00:3::4`,
      `
      server web/dual/6 fd00:3::4 mark 256 local rr
      address fd00:3::4 lo`,
    ],
    [
      "none on the routing mesh and on the default bridge",
      `container client on bridge ip=172.17.0.2 on ingress ip=10.0.0.9
       ${PUB}
       service odd on bridge vip=172.17.0.9
       service odder on ingress vip=10.0.0.8`,
      "",
    ],
  ])("%s", (_, world, expected, target: keyof typeof TARGETS = "client") => {
    expect(planned(target, NETS + world.replace(/ (weight|balance) /g, "\n$1 "))).toBe(text(expected));
  });

  test("idle timeouts: IPVS's own, or else those of connection tracking", () => {
    const idle = { tcp: 3600, udp: 60 };
    expect(planned("client", NETS + CLIENT + WEB, { sysctls: conntrackSysctls(idle) })).toBe(
      text(`${WEB_SERVER}
      sysctl net/netfilter/nf_conntrack_tcp_timeout_established 3600
      sysctl net/netfilter/nf_conntrack_udp_timeout 60
      sysctl net/netfilter/nf_conntrack_udp_timeout_stream 60`),
    );
    expect(planned("client", NETS + CLIENT + WEB, { sysctls: ipvsSysctls(idle) })).toMatch(
      /sysctl ipvs\/tcp 3600\nsysctl ipvs\/udp 60/,
    );
    expect(planned("client", NETS + CLIENT, { sysctls: conntrackSysctls(idle) })).toBe("");
  });

  test("with IPVS its sysctls, as Docker sets them, where there is something to balance", () => {
    expect(planned("client", NETS + CLIENT + WEB, { sysctls: ipvsSysctls({}) })).toBe(
      text(`${WEB_SERVER}
      sysctl net/ipv4/vs/conn_reuse_mode 0
      sysctl net/ipv4/vs/conntrack 1
      sysctl net/ipv4/vs/expire_nodest_conn 1
      sysctl net/ipv4/vs/expire_quiescent_template 1`),
    );
    expect(planned("client", NETS + CLIENT, { sysctls: ipvsSysctls({}) })).toBe("");
  });
});

describe("a task's published ports, with any placement", () => {
  const redirects = `
      redirect 10.0.0.4 tcp 8080 to 80
      redirect 10.0.0.4 udp 5353 to 53`;

  test("both placements", () => {
    expect(planned("pub.1", NETS + PUB, { placement: "network" })).toBe(text(redirects));
    expect(planned("pub.1", NETS + PUB)).toBe(
      text(`
      server pub/mynet/4 10.0.1.13 mark 256 local rr
        10.0.1.14 1
        10.0.1.15 1
      address 10.0.1.13 lo${redirects}`),
    );
  });

  test("of two in one namespace: servers for one, ports of the other", () => {
    const world = `${NETS + CLIENT}
      service pub on other vip=10.0.2.13
      publish pub 8080:80/tcp
      task pub.1 on gone ip=10.9.0.4 on ingress ip=10.0.0.4
      sandbox pub.1${WEB}`;
    expect(planned("both", world)).toBe(
      text(`${WEB_SERVER}
      redirect 10.0.0.4 tcp 8080 to 80`),
    );
  });

  test("two sandboxes of one task in its namespace: each is there once", () => {
    const world = `${NETS + PUB}\n sandbox pub.1`;
    expect(planned("twice", world)).toBe(planned("pub.1", world));
  });

  test("those in host mode and unpublished ones are none; both families", () => {
    const world = `${NETS}
      service pub on mynet vip=10.0.1.13
      publish pub 8080:80/tcp local
      publish pub 9090:90/tcp host
      publish pub 70/tcp
      task pub.1 state=draining on mynet ip=10.0.1.14 on ingress ip=10.0.0.4 ip6=fd00::4
      sandbox pub.1`;
    expect(planned("pub.1", world, { placement: "network" })).toBe(
      text(`
      redirect 10.0.0.4 tcp 8080 to 80
      redirect fd00::4 tcp 8080 to 80`),
    );
  });
});

const FORWARD = `
      sysctl net/ipv4/ip_forward 1`;

describe("a network's load balancer", () => {
  test("as Docker has it since 18.09", () => {
    const world = `${NETS} ${WEB} ${PUB}
      service rr dnsrr on mynet
      service elsewhere on other vip=10.0.2.4`;
    expect(planned("mynet", world, { placement: "network" })).toBe(
      text(`
      server pub/mynet/4 10.0.1.13 mark 257 arriving rr
        10.0.1.14 1
        10.0.1.15 1
      server web/mynet/4 10.0.1.4 mark 256 arriving rr
        10.0.1.5 1
        10.0.1.6 1
      address 10.0.1.13 eth0
      address 10.0.1.4 eth0
      snat 10.0.1.0/24 to 10.0.1.3
      sysctl net/ipv4/conf/all/send_redirects 0
      sysctl net/ipv4/conf/eth0/send_redirects 0
      sysctl net/ipv4/ip_forward 1`),
    );
  });

  test("both families, each range from the address of its family", () => {
    const world = `
      network mynet overlay 10.0.1.0/24 10.0.7.0/24 fd00:1::/64
      service web on mynet vip=10.0.1.4 vip6=fd00:1::4
      task web.1 on mynet ip=10.0.7.5 ip6=fd00:1::5`;
    expect(planned("mynet", world, { placement: "network" })).toBe(
      text(`
      server web/mynet/4 10.0.1.4 mark 256 arriving rr
        10.0.7.5 1
      server web/mynet/6 fd00:1::4 mark 257 arriving rr
        fd00:1::5 1
      address 10.0.1.4 eth0
      address fd00:1::4 eth0
      snat 10.0.1.0/24 to 10.0.1.3
      snat 10.0.7.0/24 to 10.0.1.3
      snat fd00:1::/64 to fd00:1::3
      sysctl net/ipv4/conf/all/send_redirects 0
      sysctl net/ipv4/conf/eth0/send_redirects 0
      sysctl net/ipv4/ip_forward 1
      sysctl net/ipv6/conf/all/forwarding 1
      sysctl net/ipv6/icmp/ratemask 0,3-127`),
    );
  });

  test("one family: nothing is said or rewritten of the other", () => {
    const six = `
      network mynet overlay 10.0.1.0/24 fd00:1::/64
      service web on mynet vip6=fd00:1::4`;
    expect(planned("mynet", six, { placement: "network" })).toBe(
      text(`
      server web/mynet/6 fd00:1::4 mark 256 arriving rr
      address fd00:1::4 eth0
      snat fd00:1::/64 to fd00:1::3
      sysctl net/ipv6/conf/all/forwarding 1
      sysctl net/ipv6/icmp/ratemask 0,3-127`),
    );
    expect(planned("mynet4", six, { placement: "network" })).toBe(
      text(`
      server web/mynet/6 fd00:1::4 mark 256 arriving rr
      address fd00:1::4 eth0
      sysctl net/ipv6/conf/all/forwarding 1
      sysctl net/ipv6/icmp/ratemask 0,3-127`),
    );
  });

  test("holds nothing where sandboxes balance for themselves, and nothing without services", () => {
    expect(planned("mynet", NETS + WEB)).toBe("");
    expect(planned("mynet", NETS, { placement: "network" })).toBe("");
  });
});

describe("the routing mesh", () => {
  test("published ports, with the ports kept, to tasks of all nodes", () => {
    expect(planned("ingress", NETS + WEB + PUB)).toBe(
      text(`
      server pub/ingress/4 10.0.0.3 mark 256 published tcp/8080,udp/5353 rr
        10.0.0.4 1
        10.0.0.5 1
      address 10.0.0.3 eth0
      snat 10.0.0.0/24 to 10.0.0.2
      sysctl net/ipv4/conf/all/send_redirects 0
      sysctl net/ipv4/conf/eth0/send_redirects 0
      sysctl net/ipv4/ip_forward 1`),
    );
  });

  test("ports with local traffic: tasks of this node, which see the client", () => {
    const world = `${NETS + PUB}
      publish pub 8443:443/tcp local`;
    expect(planned("ingress", world)).toBe(
      text(`
      server pub/ingress/4 10.0.0.3 mark 256 published tcp/8080,udp/5353 rr
        10.0.0.4 1
        10.0.0.5 1
      server pub/ingress/4/local 10.0.0.3 mark 257 published tcp/8443 rr keep-source
        10.0.0.4 1
      address 10.0.0.3 eth0
      snat 10.0.0.0/24 to 10.0.0.2
      sysctl net/ipv4/conf/all/send_redirects 0
      sysctl net/ipv4/conf/eth0/send_redirects 0
      sysctl net/ipv4/ip_forward 1`),
    );
  });

  test("nothing of services that are not on this mesh", () => {
    const world = `${NETS}
      service without on mynet vip=10.0.1.13
      publish without 8080:80/tcp
      service elsewhere on mynet vip=10.0.1.14
      mesh elsewhere on other vip=10.0.2.3
      publish elsewhere 8081:80/tcp
      service rr dnsrr on mynet
      mesh rr on ingress vip=10.0.0.3
      publish rr 8082:80/tcp`;
    expect(planned("ingress", world)).toBe("");
    expect(planned("host", world)).toBe(
      text(`
      published tcp 8081 to 172.18.0.2 8081 over docker_gwbridge${FORWARD}`),
    );
  });

  test("only such ports: no source is rewritten; without a task here they are refused", () => {
    const world = `${NETS}
      service pub on mynet vip=10.0.1.13
      mesh pub on ingress vip=10.0.0.3 vip6=fd00::3
      publish pub 8443:443/tcp local
      task pub.2 node=node-2 on ingress ip=10.0.0.5`;
    expect(planned("ingress", world)).toBe(
      text(`
      server pub/ingress/4/local 10.0.0.3 mark 256 published tcp/8443 rr keep-source
      server pub/ingress/6/local fd00::3 mark 257 published tcp/8443 rr keep-source
      address 10.0.0.3 eth0
      address fd00::3 eth0
      sysctl net/ipv4/conf/all/send_redirects 0
      sysctl net/ipv4/conf/eth0/send_redirects 0
      sysctl net/ipv4/ip_forward 1
      sysctl net/ipv6/conf/all/forwarding 1
      sysctl net/ipv6/icmp/ratemask 0,3-127`),
    );
  });
});

describe("declared ports", () => {
  const DECLARED = `${CLIENT} ${WEB}
    declared web
    publish web 80/tcp
    publish web 81/tcp
    publish web 8000-8009/udp
    publish web 53/udp host`;

  test("of a VIP are its service's targets", () => {
    expect(planned("client", NETS + DECLARED)).toBe(
      text(`
      server web/mynet/4 10.0.1.4 mark 256 local rr only tcp/80,tcp/81,udp/53,udp/8000-8009
        10.0.1.5 1
        10.0.1.6 1
      address 10.0.1.4 lo`),
    );
    expect(planned("mynet", NETS + DECLARED, { placement: "network" })).toContain(
      "server web/mynet/4 10.0.1.4 mark 256 arriving rr only tcp/80,tcp/81,udp/53,udp/8000-8009",
    );
  });

  test("may be none, and one inside may be several outside", () => {
    expect(planned("client", `${NETS + CLIENT + WEB}\n declared web`)).toContain(" local rr only nothing");
    expect(
      planned("client", `${NETS + CLIENT + WEB}\n declared web\n publish web 1:80/tcp\n publish web 2:80/tcp`),
    ).toContain(" local rr only tcp/80\n");
  });

  test("on the mesh are those that are published there, of both kinds of traffic", () => {
    const world = `${NETS + PUB}
      publish pub 8443:443/tcp local
      publish pub 9000:90/tcp host
      declared pub`;
    const servers = planned("ingress", world)
      .split("\n")
      .filter((line) => line.startsWith("server"));
    expect(servers).toEqual([
      "server pub/ingress/4 10.0.0.3 mark 256 published tcp/8080,udp/5353 rr only tcp/8080,tcp/8443,udp/5353",
      "server pub/ingress/4/local 10.0.0.3 mark 257 published tcp/8443 rr keep-source",
    ]);
  });
});

describe("ranges of ports", () => {
  const RANGE = `${NETS + PUB}
    publish pub 9000-9999:9000-9999/udp
    publish pub 7000-7009:17000-17009/tcp`;

  test("that keep their numbers are one entry on the host, and none in the task", () => {
    const published = planned("host4", RANGE)
      .split("\n")
      .filter((line) => line.startsWith("published"));
    expect(published.filter((line) => line.includes(" udp 9"))).toEqual([
      "published udp 9000-9999 to 172.18.0.2 9000 over docker_gwbridge",
    ]);
    expect(planned("pub.1", RANGE).match(/^redirect .* udp 9/gm)).toBeNull();
    expect(planned("pub.1", RANGE)).toContain("redirect 10.0.0.4 tcp 7009 to 17009");
  });

  test("only whole ranges need no redirect: others keep theirs, whatever is beside or behind them", () => {
    const world = `${RANGE}
      publish pub 6000-6007:6000-6007/tcp
      publish pub 8990:8990/udp
      publish pub 10001:10001/udp
      publish pub 10100:9005/udp
      publish pub 9005:9005/tcp
      publish pub 17010:17010/tcp`;
    expect(
      planned("pub.1", world)
        .match(/(?<=redirect 10.0.0.4 ).*/g)
        ?.sort(),
    ).toEqual([
      "tcp 17010 to 17010",
      ...Array.from({ length: 10 }, (_, i) => `tcp 700${i} to 1700${i}`),
      "tcp 8080 to 80",
      "tcp 9005 to 9005",
      "udp 10001 to 10001",
      "udp 10100 to 9005",
      "udp 5353 to 53",
      "udp 8990 to 8990",
    ]);
  });

  test("are one on the mesh, whatever they lead to", () => {
    expect(planned("ingress", RANGE)).toContain(" published tcp/7000-7009,tcp/8080,udp/5353,udp/9000-9999 rr");
    expect(planned("host4", RANGE)).toContain("published tcp 7000-7009 to 172.18.0.2 7000 ");
  });

  test("in host mode are single ports where their numbers change", () => {
    const world = `${NETS}
      service own on mynet vip=10.0.1.16
      publish own 9090-9099:9090-9099/tcp host
      publish own 9100-9101:80-81/tcp host
      task own.1 on mynet ip=10.0.1.17`;
    expect(planned("host", world)).toBe(
      text(`
      published tcp 9090-9099 to 10.0.1.17 9090 over docker_gwbridge
      published tcp 9100 to 10.0.1.17 80 over docker_gwbridge
      published tcp 9101 to 10.0.1.17 81 over docker_gwbridge${FORWARD}`),
    );
  });

  test("end where another service has a port among them, and where sources differ", () => {
    const world = `${NETS}
      service own on mynet vip=10.0.1.16
      publish own 9104:80/tcp host
      publish own 9120-9127:9120-9127/tcp host from=10.0.0.0/8
      publish own 9128-9135:9128-9135/tcp host
      task own.1 on mynet ip=10.0.1.17
      service rest on mynet vip=10.0.1.18
      publish rest 9100-9115:9100-9115/tcp host
      task rest.1 on mynet ip=10.0.1.19`;
    expect(planned("host", world)).toBe(
      text(`
      published tcp 9100 to 10.0.1.19 9100 over docker_gwbridge
      published tcp 9101 to 10.0.1.19 9101 over docker_gwbridge
      published tcp 9102 to 10.0.1.19 9102 over docker_gwbridge
      published tcp 9103 to 10.0.1.19 9103 over docker_gwbridge
      published tcp 9104 to 10.0.1.17 80 over docker_gwbridge
      published tcp 9105-9115 to 10.0.1.19 9105 over docker_gwbridge
      published tcp 9120-9127 to 10.0.1.17 9120 over docker_gwbridge from 10.0.0.0/8
      published tcp 9128-9135 to 10.0.1.17 9128 over docker_gwbridge${FORWARD}`),
    );
  });
});

describe("sources of a published port", () => {
  test.each([
    ["of both families, each on its own", "10.0.0.0/8,fd00::/8", "10.0.0.0/8", "fd00::/8"],
    ["of one: nobody comes by the other", "10.0.0.0/8", "10.0.0.0/8", "nobody"],
    ["addresses are ranges of one", "192.0.2.1,fd00::1", "192.0.2.1/32", "fd00::1/128"],
    [
      "none within another, none twice",
      "10.1.0.0/16,10.0.0.0/9,10.127.255.255,10.128.0.0/9,192.0.2.1,192.0.2.1/32,fd00::/9,fd7f::1",
      "10.0.0.0/9,10.128.0.0/9,192.0.2.1/32",
      "fd00::/9",
    ],
    ["everywhere is no limit", "0.0.0.0/0,10.0.0.0/8,fd00::/8", undefined, "fd00::/8"],
  ])("%s", (_, given, four, six) => {
    const world = `${NETS}
      service own on dual vip=10.0.3.16
      publish own 9090:80/tcp host from=${given}
      task own.1 on dual ip=10.0.3.17 ip6=fd00:3::17`;
    const from = (sources: string | undefined) => (sources === undefined ? "" : ` from ${sources}`);
    expect(planned("host", world).split("\n").slice(0, 2)).toEqual([
      `published tcp 9090 to 10.0.3.17 80 over docker_gwbridge${from(four)}`,
      `published tcp 9090 to fd00:3::17 80 over docker_gwbridge${from(six)}`,
    ]);
  });

  test("on the mesh, too", () => {
    expect(planned("host4", `${NETS + PUB}\n publish pub 8443:443/tcp local from=10.0.0.0/8`)).toContain(
      "published tcp 8443 to 172.18.0.2 8443 over docker_gwbridge from 10.0.0.0/8",
    );
  });
});

describe("the host", () => {
  test("ports on the mesh, for the families that the mesh has", () => {
    const world = `${NETS + PUB}
      service six on mynet vip=10.0.1.40
      mesh six on ingress vip=10.0.0.6 vip6=fd00::6
      publish six 9000:9000/sctp`;
    const four = `
      published sctp 9000 to 172.18.0.2 9000 over docker_gwbridge`;
    const mesh = `
      published tcp 8080 to 172.18.0.2 8080 over docker_gwbridge
      published udp 5353 to 172.18.0.2 5353 over docker_gwbridge`;
    expect(planned("host", world)).toBe(
      text(`${four}
      published sctp 9000 to fd18::2 9000 over docker_gwbridge${mesh}
      sysctl net/ipv4/ip_forward 1
      sysctl net/ipv6/conf/all/forwarding 1`),
    );
    expect(planned("host4", world)).toBe(text(four + mesh + FORWARD));
  });

  test("ports in host mode: the tasks of this node, on their first network that is not the mesh", () => {
    const world = `${NETS}
      service own dnsrr on mynet on dual
      publish own 9090:80/tcp host
      task own.1 on ingress ip=10.0.0.9 on dual ip=10.0.3.17 ip6=fd00:3::17 on mynet ip=10.0.1.17
      task own.2 node=node-2 on mynet ip=10.0.1.18`;
    expect(planned("host", world)).toBe(
      text(`
      published tcp 9090 to 10.0.3.17 80 over docker_gwbridge
      published tcp 9090 to fd00:3::17 80 over docker_gwbridge
      sysctl net/ipv4/ip_forward 1
      sysctl net/ipv6/conf/all/forwarding 1`),
    );
  });

  test("of two tasks that want one port, the one that answers", () => {
    const world = `${NETS}
      service own on mynet vip=10.0.1.16
      publish own 9090:80/tcp host
      task own.1 state=draining on mynet ip=10.0.1.17
      task own.2 state=starting on mynet ip=10.0.1.18
      task own.3 state=stopped on mynet ip=10.0.1.19
      task own.4 on mynet ip=10.0.1.20`;
    expect(planned("host", world)).toBe(text(`published tcp 9090 to 10.0.1.20 80 over docker_gwbridge${FORWARD}`));
  });
});

describe("ports in host mode are nobody's", () => {
  test.each([
    ["the service has no task", ""],
    ["its task is on another node", "task own.1 node=node-2 on mynet ip=10.0.1.17"],
    ["its task has stopped", "task own.1 state=stopped on mynet ip=10.0.1.17"],
    ["its task is on the mesh only", "task own.1 on ingress ip=10.0.0.9"],
    ["its task is on no network that is there", "task own.1 on gone ip=10.9.0.9"],
  ])("%s", (_, task) => {
    const world = `${NETS}
      service own on mynet vip=10.0.1.16
      publish own 9090:80/tcp host
      ${task}`;
    expect(planned("host", world)).toBe("");
  });

  test("or are not published, or not in that mode", () => {
    const world = `${NETS}
      service own on mynet vip=10.0.1.16
      publish own 9090:80/tcp host
      publish own 81/tcp host
      publish own 9092:82/tcp
      task own.1 on mynet ip=10.0.1.17`;
    expect(planned("host", world)).toBe(text(`published tcp 9090 to 10.0.1.17 80 over docker_gwbridge${FORWARD}`));
  });

  test("of two tasks that don't answer, the one that comes before the one that goes", () => {
    const world = `${NETS}
      service own on mynet vip=10.0.1.16
      publish own 9090:80/tcp host
      task own.1 state=draining on mynet ip=10.0.1.17
      task own.2 state=starting on mynet ip=10.0.1.18`;
    expect(planned("host", world)).toBe(text(`published tcp 9090 to 10.0.1.18 80 over docker_gwbridge${FORWARD}`));
  });
});

test("what a plan is for may not exist", () => {
  for (const target of ["nobody", "mynet", "ingress", "host"] as const) expect(planned(target, "")).toBe("");
});
