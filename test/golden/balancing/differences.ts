/** Each way in which what we install differs from what Docker did, once, with its reason. */

export interface Difference {
  readonly why: string;
  /** Facts (facts.ts) that only Docker has, and that only we have. */
  readonly docker?: RegExp;
  readonly ours?: RegExp;
  /** Namespaces and steps in which it may be. Missing: all. */
  readonly where?: RegExp;
  readonly steps?: readonly string[];
}

export const DIFFERENCES: readonly Difference[] = [
  {
    why: "names: 127.0.0.11 is the resolver's, not the balancer's",
    docker: /127[.]0[.]0[.]11/,
    where: /lb_|ingress|container/,
  },
  {
    why: "bridges: isolation and the way out of bridge networks are the network driver's",
    docker:
      /^(?:nat POSTROUTING ! -o \S+ -s [\d.]+\/16 -> MASQUERADE|filter FORWARD (?!.*--dport)(?=.*-[io] docker).*)$/,
    where: /host/,
  },
  {
    why: "sysctls of a namespace without servers, or of the host, whose IPVS is not used: we set them where they matter",
    docker: /^sysctl net\/ipv4\/(?:vs\/|ip_forward 1)/,
    where: /host|ingress|lb_/,
  },
  {
    why: "Docker's load balancer sends redirects, which lead clients around it and use up what the kernel may say of errors",
    ours: /^sysctl net\/(?:ipv4\/conf\/\S+\/send_redirects 0|ipv6\/icmp\/ratemask 0,3-127)$/,
    where: /ingress|lb_/,
  },
  {
    why: "with the last port Docker leaves the bridge's masquerading and route_localnet; both are undone, or never done, here",
    docker:
      /^(?:nat POSTROUTING --src-type LOCAL -m addrtype -o docker_gwbridge -> MASQUERADE|sysctl .*route_localnet \d)$/,
    where: /host/,
    steps: ["00", "01", "02", "03", "04", "05", "06", "11", "12", "13"],
  },
  {
    why: "with the last service of a network its SNAT goes, too: without balanced connections it has nothing to do",
    docker: /^nat POSTROUTING --ipvs -d \S+ -m ipvs -> SNAT/,
    steps: ["11", "12", "13"],
  },
  {
    why: "only what is led to the ingress sandbox may pass a firewall, Docker lets the port pass to any destination",
    docker: /^filter FORWARD (?:--ctstate RELATED,ESTABLISHED --sport|--dport) \d+ (?:-m conntrack )?-p \w+ -> ACCEPT$/,
    ours: /^filter FORWARD (?:.*-s 172[.]18[.]0[.]2\/32|.*-d 172[.]18[.]0[.]2\/32 .*) ?-> ACCEPT$/,
    where: /host/,
  },
  {
    why: "neighbours on the bridge reach published ports, too: Docker leaves that to br_netfilter or its proxy",
    ours: /-> CONNMARK|-m connmark/,
    where: /host/,
  },
  {
    why: "what only loopback may carry is dropped on the bridge, whose route_localnet would let neighbours reach 127.0.0.1",
    ours: /^mangle PREROUTING (?=.*-[ds] 127[.]0[.]0[.]0\/8).*-i \S+.* -> DROP$/,
    where: /host/,
  },
  {
    why: "ports in host mode: Docker's bridge driver leads them to the task's address on docker_gwbridge, we to that on its network",
    docker: /(?:--dport 9090 .*-> DNAT|-d 172[.]18[.]0[.]9\/32 .*-> (?:ACCEPT|MASQUERADE))/,
    ours: /(?:--dport 9090 .*-> DNAT|10[.]0[.]1[.]17\/32 .*-> ACCEPT)/,
    where: /host/,
    steps: ["08", "09", "10"],
  },
  {
    why: "the task's firewall: a published port opens nothing and closes nothing here, isolating the routing mesh is not balancing",
    docker: /^filter (?:INPUT|OUTPUT) .*-[ds] 10[.]0[.]0[.]\d+\/32.* -> (?:ACCEPT|DROP)$/,
    where: /container/,
  },
  {
    why: "Docker's defect: after an update of ports the ingress sandbox has one of the two new tasks only",
    ours: /^ipvs -a -f 10[.]0[.]0[.]3 -r /,
    where: /ingress/,
    steps: ["09", "10"],
  },
  {
    why: "a service scaled to nothing keeps its VIP, and refuses at once: Docker removes it, and connections hang",
    ours: /10[.]0[.]1[.]4\b|^filter INPUT .*-> REJECT/,
    where: /lb_/,
    steps: ["12"],
  },
];
