/** Everything that is tested of the ipvs backend on a kernel that has IPVS, in namespaces of its own. */
import { IpvsBackend } from "../../../src/lb-programmer/backends/ipvs/backend.ts";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";
import { exec } from "../../../src/os/exec.ts";
import { backendCases } from "../../../src/testing/backend.ts";
import type { Subject } from "../../../src/testing/subject.ts";
import { installedGolden } from "../../golden/balancing/installed.ts";
import { runCases } from "../../support/cases.ts";
import { publishedSuite } from "../published.ts";
import { type TrafficOptions, trafficSuite } from "../traffic.ts";

/** Each in a guest of its own, since a guest has one processor. */
export const PARTS: Readonly<Record<string, () => void>> = {
  states: () => runCases("backend: ipvs", backendCases(subject, { device: "e11-dev", runs: 4, everyPair: false })),
  golden: installedGolden,
  sandbox: () => trafficSuite("ipvs", () => new IpvsBackend(), "sandbox", options),
  network: () => trafficSuite("ipvs", () => new IpvsBackend(), "network", options),
  published: () => publishedSuite("ipvs", () => new IpvsBackend(), options),
};

const options: TrafficOptions = {
  flush: async (netns) => void (await sh(FLUSH, netns)),
  dump: (netns) =>
    sh("(iptables-save; ip6tables-save) | grep -v '^[:#]'; ipvsadm -Sn; ip -br address; ip route; ip -6 route", netns),
};

let count = 0;

async function subject(): Promise<Subject> {
  const names = [1, 2].map(() => `e11-ipvs-${process.pid}-${count++}`);
  for (const name of names) {
    await sh(`ip netns add ${name}`);
    await sh(
      `ip -n ${name} link set lo up; ip -n ${name} link add e11-dev type dummy; ip -n ${name} link set e11-dev up`,
    );
  }
  const [target, other] = names.map(targetOf);
  const path = target!.netns!;
  return {
    backend: new IpvsBackend(),
    target: target!,
    other: other!,
    foreign: { add: () => sh(FOREIGN, path).then(() => {}), text: () => sh(OTHERS, path) },
    flush: () => sh(FLUSH, path).then(() => {}),
    destroy: () => sh(`ip netns del ${names[0]}`).then(() => {}),
    close: async () => {
      for (const name of names) await sh(`ip netns del ${name} 2> /dev/null || true`);
    },
  };
}

const targetOf = (name: string): LbTarget => ({
  id: `network/${name}`,
  kind: "network",
  network: name,
  device: "e11-dev",
  netns: `/run/netns/${name}`,
});

/** Rules, a service and addresses that somebody else has, beside ours and looking like ours. */
const FOREIGN = `
  for tool in iptables ip6tables; do
    $tool -t nat -N DOCKER-INGRESS; $tool -t nat -A PREROUTING -j DOCKER-INGRESS
    $tool -t nat -A DOCKER-INGRESS -p tcp --dport 8080 -j REDIRECT --to-ports 81
    $tool -t mangle -A OUTPUT -p tcp --dport 9 -m comment --comment "not ours" -j MARK --set-mark 256
    $tool -A FORWARD -p tcp --dport 8080 -j ACCEPT
  done
  ipvsadm -A -f 77 -s wlc; ipvsadm -a -f 77 -r 10.0.1.5:0 -m
  ipvsadm -A -t 10.0.1.4:80 -s rr
  ip address add 10.9.9.9/32 dev e11-dev; ip address add 10.0.1.99/24 dev e11-dev`;

/** What is there, without what is ours. */
const OTHERS = `
  (iptables-save; ip6tables-save) | grep -v -e ELEVEN- -e '^[#:*]' -e COMMIT
  ipvsadm -Sn | grep -e '-f 77' -e '-t '
  ip -br address show dev e11-dev | grep -o '10[.]9[.]9[.]9/32\\|10[.]0[.]1[.]99/24'`;

const FLUSH = `
  for tool in iptables ip6tables; do
    for table in mangle nat filter; do $tool -t $table -F; $tool -t $table -X; done
  done
  ipvsadm -C`;

async function sh(script: string, netns?: string): Promise<string> {
  const { stdout, stderr, status } = await exec("sh", ["-c", script], { netns });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}
