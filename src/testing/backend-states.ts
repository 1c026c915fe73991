/**
 * States for the conformance suite, as text (see state-text.ts). `$dev` is an interface of the namespace, `$sysctl` a sysctl of it.
 */

/** Small ones that differ in one way from another, so that going from each to each tries every kind of change. */
export const STATES: readonly (readonly [string, string])[] = [
  [
    "a service of two tasks, from here",
    `server web/mynet/4 10.0.1.4 mark 256 local rr
       10.0.1.5 1
       10.0.1.6 1
     address 10.0.1.4 lo`,
  ],
  [
    "one of the tasks drains, one is new",
    `server web/mynet/4 10.0.1.4 mark 256 local rr
       10.0.1.5 0
       10.0.1.7 1
     address 10.0.1.4 lo`,
  ],
  [
    "without tasks",
    `server web/mynet/4 10.0.1.4 mark 256 local rr
     address 10.0.1.4 lo`,
  ],
  [
    "weighted, with another service",
    `server web/mynet/4 10.0.1.4 mark 256 local wrr
       10.0.1.5 3
       10.0.1.6 65535
     server api/mynet/4 10.0.1.8 mark 257 local rr
       10.0.1.9 1
     address 10.0.1.4 lo
     address 10.0.1.8 lo`,
  ],
  [
    "clients stay with their task",
    `server web/mynet/4 10.0.1.4 mark 256 local rr affinity 3600
       10.0.1.5 1
       10.0.1.6 1
     address 10.0.1.4 lo`,
  ],
  [
    "the VIP is another service's, the mark too",
    `server api/mynet/4 10.0.1.4 mark 256 local rr
       10.0.1.9 1
     address 10.0.1.4 lo`,
  ],
  [
    "the service has another VIP and mark",
    `server web/mynet/4 10.0.1.12 mark 300 local rr
       10.0.1.5 1
     address 10.0.1.12 lo`,
  ],
  [
    "source hash",
    `server web/mynet/4 10.0.1.4 mark 256 local sh
       10.0.1.5 1
       10.0.1.6 1`,
  ],
  [
    "least connections",
    `server web/mynet/4 10.0.1.4 mark 256 local wlc
       10.0.1.5 1
       10.0.1.6 1`,
  ],
  [
    "a network's load balancer, both families",
    `server web/mynet/4 10.0.1.4 mark 256 arriving rr
       10.0.1.5 1
     server web/mynet/6 fd00:1::4 mark 258 arriving rr
       fd00:1::5 1
       fd00:1::6 1
     address 10.0.1.4 $dev
     address fd00:1::4 $dev
     snat 10.0.1.0/24 to 10.0.1.3
     snat fd00:1::/64 to fd00:1::3
     sysctl $sysctl 1`,
  ],
  [
    "from another address",
    `server web/mynet/4 10.0.1.4 mark 256 arriving rr
       10.0.1.5 1
     address 10.0.1.4 $dev
     snat 10.0.1.0/24 to 10.0.1.99`,
  ],
  [
    "direct routing",
    `server web/mynet/4 10.0.1.4 mark 256 arriving rr direct
       10.0.1.5 1
     address 10.0.1.4 $dev`,
  ],
  [
    "the routing mesh: ports, and ports that keep the client's address",
    `server pub/ingress/4 10.0.0.3 mark 259 published tcp/8080,udp/5353 rr
       10.0.0.4 1
       10.0.0.5 1
     server pub/ingress/4/local 10.0.0.3 mark 260 published sctp/9000 rr keep-source
       10.0.0.4 1
     address 10.0.0.3 $dev
     snat 10.0.0.0/24 to 10.0.0.2`,
  ],
  [
    "one port more, one moved to another service",
    `server pub/ingress/4 10.0.0.3 mark 259 published tcp/8080,tcp/8081 rr
       10.0.0.4 1
     server dns/ingress/4 10.0.0.7 mark 261 published udp/5353 rr
       10.0.0.8 1
     address 10.0.0.3 $dev
     address 10.0.0.7 $dev
     snat 10.0.0.0/24 to 10.0.0.2`,
  ],
  [
    "declared ports of a VIP, and of another none",
    `server web/mynet/4 10.0.1.4 mark 256 local rr only tcp/80,tcp/8000-8010,udp/53,sctp/9000
       10.0.1.5 1
     server api/mynet/4 10.0.1.8 mark 257 local rr only nothing
       10.0.1.9 1
     server db/mynet/6 fd00:1::8 mark 258 local rr only tcp/5432
     address 10.0.1.4 lo
     address 10.0.1.8 lo
     address fd00:1::8 lo`,
  ],
  [
    "one less, for those that arrive",
    `server web/mynet/4 10.0.1.4 mark 256 arriving rr only tcp/80,udp/53
       10.0.1.5 1
     server api/mynet/4 10.0.1.8 mark 257 arriving rr only nothing
       10.0.1.9 0
     server db/mynet/6 fd00:1::8 mark 258 arriving rr only tcp/5432
       fd00:1::9 1
     address 10.0.1.4 $dev
     address 10.0.1.8 $dev
     address fd00:1::8 $dev
     snat 10.0.1.0/24 to 10.0.1.3`,
  ],
  [
    "declared ports on the routing mesh, and ranges there",
    `server pub/ingress/4 10.0.0.3 mark 259 published tcp/8080,udp/5000-5999 rr only tcp/8080,udp/5000-5999,sctp/9000
       10.0.0.4 1
     server pub/ingress/4/local 10.0.0.3 mark 260 published sctp/9000,tcp/1-100 rr keep-source
       10.0.0.4 1
     server dns/ingress/6 fd00::7 mark 261 published udp/1-1000 rr
       fd00::8 1
     address 10.0.0.3 $dev
     address fd00::7 $dev
     snat 10.0.0.0/24 to 10.0.0.2`,
  ],
  [
    "a task's published ports",
    `redirect 10.0.0.4 tcp 8080 to 80
     redirect 10.0.0.4 udp 5353 to 53
     redirect 10.0.0.4 sctp 9000 to 9000
     redirect fd00::4 tcp 8080 to 80`,
  ],
  [
    "to other ports",
    `redirect 10.0.0.4 tcp 8080 to 8000
     redirect 10.0.0.4 udp 5353 to 53`,
  ],
  [
    "the host's",
    `published tcp 8080 to 172.18.0.2 8080 over e11-gw
     published udp 5353 to 172.18.0.2 5353 over e11-gw
     published sctp 9000 to 172.18.0.2 9000 over e11-gw
     published tcp 8080 to fd18::2 8080 over e11-gw
     published tcp 9090 to 172.18.0.9 80 over e11-gw`,
  ],
  [
    "ranges of them, and who may come",
    `published tcp 8000-8999 to 172.18.0.2 8000 over e11-gw
     published udp 1-65535 to 172.18.0.2 1 over e11-gw from nobody
     published sctp 9000 to 172.18.0.2 9000 over e11-gw from 10.0.0.0/8,192.0.2.1/32
     published tcp 8000-8010 to fd18::2 8000 over e11-gw from fd00::/8,2001:db8::1/128
     published tcp 9090 to 172.18.0.9 80 over e11-gw from 10.0.0.0/9,10.128.0.0/9`,
  ],
  [
    "other ranges, others may come",
    `published tcp 7990-8005 to 172.18.0.2 7990 over e11-gw from 10.0.0.0/8
     published tcp 8006 to 172.18.0.2 8006 over e11-gw
     published udp 5353 to 172.18.0.2 5353 over e11-gw from 192.0.2.0/24
     published sctp 9000 to 172.18.0.2 9000 over e11-gw
     published tcp 8005-8010 to fd18::2 8005 over e11-gw from nobody`,
  ],
  [
    "led elsewhere",
    `published tcp 8080 to 172.18.0.3 8080 over e11-gw
     published tcp 9090 to 172.18.0.9 81 over e11-other`,
  ],
];
