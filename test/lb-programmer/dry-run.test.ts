import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { DryRunBackend } from "../../src/lb-programmer/backends/dry-run.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbTarget } from "../../src/lb-programmer/state.ts";
import { backendCases } from "../../src/testing/backend.ts";
import { runCases } from "../support/cases.ts";
import { parseState } from "./state-text.ts";

const target: LbTarget = { kind: "sandbox", id: "sandbox/c1", sandbox: "c1" };

runCases(
  "backend: dry-run",
  backendCases(async () => ({
    backend: new DryRunBackend({ print: () => {} }),
    target,
    other: { ...target, id: "sandbox/c2" },
    close: async () => {},
  })),
);

/** What is printed on the way from each state to the next, without the way back. */
async function printed(states: readonly string[], where: LbTarget = target): Promise<string[]> {
  const out: string[] = [];
  const backend = new DryRunBackend({ print: (line) => out.push(line) });
  let before = EMPTY;
  for (const text of states) {
    out.splice(0);
    const state = parseState(text);
    await backend.apply(where, diff(before, state), state);
    before = state;
  }
  return out;
}

const WEB = "server web/n/4 10.0.1.4 mark 256 arriving rr";

describe("commands", () => {
  test.each([
    [
      "a network's load balancer",
      [`${WEB}\n 10.0.1.5 1\n address 10.0.1.4 eth0\n snat 10.0.1.0/24 to 10.0.1.3\n sysctl net/ipv4/vs/conntrack 1`],
      [
        "sysctl -w net.ipv4.vs.conntrack=1",
        "iptables -t nat -A POSTROUTING -d 10.0.1.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.1.3",
        "ipvsadm -A -f 256 -s rr",
        "iptables -t mangle -A INPUT -d 10.0.1.4/32 -j MARK --set-mark 256",
        "ipvsadm -a -f 256 -r 10.0.1.5:0 -m -w 1",
        "ip address add 10.0.1.4/32 dev eth0",
      ],
    ],
    [
      "it changes",
      [
        `${WEB}\n 10.0.1.5 1\n 10.0.1.6 1`,
        "server web/n/4 10.0.1.4 mark 256 arriving wlc affinity 60\n 10.0.1.6 0\n 10.0.1.7 2",
      ],
      [
        "ipvsadm -E -f 256 -s wlc -p 60",
        "ipvsadm -a -f 256 -r 10.0.1.7:0 -m -w 2",
        "ipvsadm -e -f 256 -r 10.0.1.6:0 -m -w 0",
        "ipvsadm -d -f 256 -r 10.0.1.5:0",
      ],
    ],
    [
      "it goes",
      [`${WEB}\n 10.0.1.5 1\n address 10.0.1.4 eth0`, ""],
      [
        "iptables -t mangle -D INPUT -d 10.0.1.4/32 -j MARK --set-mark 256",
        "ipvsadm -D -f 256",
        "ip address delete 10.0.1.4/32 dev eth0",
      ],
    ],
    [
      "IPv6, from here, direct",
      ["server web/n/6 fd00::4 mark 257 local sh direct\n fd00::5 1\n address fd00::4 lo"],
      [
        "ipvsadm -A -f 257 -6 -s sh",
        "ip6tables -t mangle -A OUTPUT -d fd00::4/128 -j MARK --set-mark 257",
        "ipvsadm -a -f 257 -6 -r [fd00::5]:0 -g -w 1",
        "ip address add fd00::4/128 dev lo",
      ],
    ],
    [
      "the routing mesh",
      [
        `server p/i/4 10.0.0.3 mark 258 published tcp/8080,udp/53 rr
         server p/i/4/local 10.0.0.3 mark 259 published tcp/8443 rr keep-source`,
      ],
      [
        "ipvsadm -A -f 258 -s rr",
        "iptables -t mangle -A PREROUTING -p tcp --dport 8080 -j MARK --set-mark 258",
        "iptables -t mangle -A PREROUTING -p udp --dport 53 -j MARK --set-mark 258",
        "iptables -t mangle -A INPUT -d 10.0.0.3/32 -j MARK --set-mark 258",
        "ipvsadm -A -f 259 -s rr",
        "iptables -t nat -I POSTROUTING -m mark --mark 259 -j ACCEPT",
        "iptables -t mangle -A PREROUTING -p tcp --dport 8443 -j MARK --set-mark 259",
      ],
    ],
    [
      "a task's port, and the host's",
      ["redirect 10.0.0.4 tcp 8080 to 80\n published tcp 8080 to 172.18.0.2 8080 over gw"],
      [
        "iptables -t nat -A PREROUTING -d 10.0.0.4/32 -p tcp --dport 8080 -j REDIRECT --to-ports 80",
        "iptables -I FORWARD -d 172.18.0.2/32 -p tcp --dport 8080 -j ACCEPT",
        "iptables -I FORWARD -s 172.18.0.2/32 -p tcp --sport 8080 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "iptables -t nat -A POSTROUTING -m addrtype --src-type LOCAL -o gw -d 172.18.0.2/32 -p tcp --dport 8080 -j MASQUERADE",
        "iptables -t nat -A OUTPUT -m addrtype --dst-type LOCAL -p tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080",
        "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080",
      ],
    ],
    [
      "declared ports of a VIP",
      ["server web/n/4 10.0.1.4 mark 256 local rr only tcp/80,udp/5000-5010"],
      [
        "ipvsadm -A -f 256 -s rr",
        "iptables -t mangle -A OUTPUT -d 10.0.1.4/32 -p tcp --dport 80 -j MARK --set-mark 256",
        "iptables -t mangle -A OUTPUT -d 10.0.1.4/32 -p udp --dport 5000:5010 -j MARK --set-mark 256",
        "iptables -A OUTPUT -d 10.0.1.4/32 -p tcp -m mark --mark 0 -m conntrack --ctstate NEW -j REJECT --reject-with tcp-reset",
        "iptables -A OUTPUT -d 10.0.1.4/32 -p udp -m mark --mark 0 -m conntrack --ctstate NEW -j REJECT",
        "iptables -A OUTPUT -d 10.0.1.4/32 -p sctp -m mark --mark 0 -m conntrack --ctstate NEW -j REJECT",
      ],
    ],
    [
      "a range of the host's, and who may come",
      ["published tcp 8000-8010 to fd18::2 8000 over gw from fd00::/8"],
      [
        "ip6tables -t mangle -A PREROUTING ! -i lo -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW -p tcp --dport 8000:8010 -s fd00::/8 -j ACCEPT",
        "ip6tables -t mangle -A PREROUTING ! -i lo -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW -p tcp --dport 8000:8010 -j DROP",
        "ip6tables -I FORWARD -d fd18::2/128 -p tcp --dport 8000:8010 -j ACCEPT",
        "ip6tables -I FORWARD -s fd18::2/128 -p tcp --sport 8000:8010 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "ip6tables -t nat -A POSTROUTING -m addrtype --src-type LOCAL -o gw -d fd18::2/128 -p tcp --dport 8000:8010 -j MASQUERADE",
        "ip6tables -t nat -A OUTPUT ! -d ::1 -m addrtype --dst-type LOCAL -p tcp --dport 8000:8010 -j DNAT --to-destination fd18::2",
        "ip6tables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport 8000:8010 -j DNAT --to-destination fd18::2",
      ],
    ],
    ["the same once more is nothing", [WEB, WEB], []],
  ])("%s", async (_, states, expected) => {
    expect(await printed(states)).toEqual(expected);
  });

  test("in another namespace", async () => {
    const there = await printed(["address 10.0.1.4 lo"], { ...target, netns: "/run/netns/it's c1" });
    expect(there).toEqual(["nsenter --net='/run/netns/it'\\''s c1' ip address add 10.0.1.4/32 dev lo"]);
  });

  test("steps that were printed are not printed again, and clear prints the way back", async () => {
    const out: string[] = [];
    const backend = new DryRunBackend({ print: (line) => out.push(line) });
    const state = parseState(`${WEB}\n 10.0.1.5 1`);
    await backend.apply(target, diff(EMPTY, state), state);
    out.splice(0);
    await backend.apply(target, diff(EMPTY, state), state);
    expect(out).toEqual([]);
    await backend.clear(target);
    expect(out).toEqual(["iptables -t mangle -D INPUT -d 10.0.1.4/32 -j MARK --set-mark 256", "ipvsadm -D -f 256"]);
  });

  test("a shell understands them", async () => {
    const all = await printed(["address 10.0.1.4 lo\n published tcp 80 to fd00::2 80 over gw"], {
      ...target,
      netns: "/a b",
    });
    const { status } = spawnSync("sh", ["-n"], { input: all.join("\n") });
    expect(status).toBe(0);
  });
});
