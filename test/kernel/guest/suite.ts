/** Everything that is tested of the ipvs backend on a kernel that has IPVS, in namespaces of its own. */
import { IpvsBackend } from "../../../src/lb-programmer/backends/ipvs/backend.ts";
import type { LbTarget } from "../../../src/lb-programmer/state.ts";
import { exec } from "../../../src/os/exec.ts";
import { backendCases } from "../../../src/testing/backend.ts";
import type { Subject } from "../../../src/testing/subject.ts";
import { installedGolden } from "../../golden/balancing/installed.ts";
import { runCases } from "../../support/cases.ts";
import { publishedSuite } from "../published.ts";
import type { Family } from "../swarm.ts";
import { type TrafficOptions, trafficSuite } from "../traffic.ts";
import { crowdedSuite } from "./crowded.ts";

/** Its rules go through iptables, or into a table of nf_tables, which not every kernel with IPVS has. */
interface Variant {
  readonly make: () => IpvsBackend;
  /** In shell: empties a namespace. */
  readonly flush: string;
  /** Prints its rules. */
  readonly list: string;
  /** Adds rules and a service that somebody else has, looking like ours; and prints what is not ours. */
  readonly foreign: string;
  readonly others: string;
}

const IPTABLES: Variant = {
  make: () => new IpvsBackend({ iptables: true }),
  flush: `
    for tool in iptables ip6tables; do
      for table in mangle nat filter; do $tool -t $table -F; $tool -t $table -X; done
    done`,
  list: "(iptables-save; ip6tables-save) | grep -v '^[:#]'",
  foreign: `
    for tool in iptables ip6tables; do
      $tool -t nat -N DOCKER-INGRESS; $tool -t nat -A PREROUTING -j DOCKER-INGRESS
      $tool -t nat -A DOCKER-INGRESS -p tcp --dport 8080 -j REDIRECT --to-ports 81
      $tool -t mangle -A OUTPUT -p tcp --dport 9 -m comment --comment "not ours" -j MARK --set-mark 256
      $tool -A FORWARD -p tcp --dport 8080 -j ACCEPT
    done`,
  others: "(iptables-save; ip6tables-save) | grep -v -e ELEVEN- -e '^[#:*]' -e COMMIT",
};

const TABLE: Variant = {
  make: () => new IpvsBackend(),
  flush: "nft flush ruleset",
  list: "nft -s list ruleset",
  foreign: `nft '
    table inet eleven2 {
      chain leaving { type filter hook output priority mangle; tcp dport 9 meta mark set 0x100; }
      chain entering { type nat hook prerouting priority dstnat; tcp dport 8080 redirect to :81; }
    }'`,
  others: "nft -s list table inet eleven2",
};

/** By kind of guest, each in a guest of its own, since a guest has one processor. */
export const PARTS: Readonly<Record<"uml" | "qemu", Readonly<Record<string, () => void>>>> = {
  uml: { ...partsOf("iptables", IPTABLES, {}), golden: installedGolden, crowded: crowdedSuite },
  // An emulated machine is slow: each kind of traffic in one address family.
  qemu: partsOf("nf_tables", TABLE, { sandbox: [4], network: [6], published: [4] }),
};

const inFamilies = (families: readonly Family[] | undefined): Pick<TrafficOptions, "families"> =>
  families === undefined ? {} : { families };

function partsOf(
  name: string,
  variant: Variant,
  families: Partial<Record<"sandbox" | "network" | "published", readonly Family[]>>,
): Readonly<Record<string, () => void>> {
  const { make, flush, list } = variant;
  const options: TrafficOptions = {
    flush: async (netns) => void (await sh(`${flush}; ipvsadm -C`, netns)),
    dump: (netns) => sh(`${list}; ipvsadm -Sn; ip -br address; ip route; ip -6 route`, netns),
    look: (netns) => sh(`${list}; ipvsadm -Ln; ipvsadm -Lnc; ip address; ip -s neigh`, netns),
  };
  const limits = { device: "e11-dev", runs: 4, everyPair: false };
  return {
    [`states, ${name}`]: () =>
      runCases(
        `backend: ipvs, ${name}`,
        backendCases(() => subject(variant), limits),
      ),
    [`sandbox, ${name}`]: () =>
      trafficSuite(`ipvs, ${name}`, make, "sandbox", { ...options, ...inFamilies(families.sandbox) }),
    [`network, ${name}`]: () =>
      trafficSuite(`ipvs, ${name}`, make, "network", { ...options, ...inFamilies(families.network) }),
    [`published, ${name}`]: () =>
      publishedSuite(`ipvs, ${name}`, make, { ...options, ...inFamilies(families.published) }),
  };
}

let count = 0;

async function subject({ make, flush, foreign, others }: Variant): Promise<Subject> {
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
    backend: make(),
    target: target!,
    other: other!,
    foreign: {
      add: () => sh(`${foreign}; ${SERVICES}`, path).then(() => {}),
      text: () => sh(`${others}; ${OTHERS}`, path),
    },
    flush: () => sh(`${flush}; ipvsadm -C`, path).then(() => {}),
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

const SERVICES = `
  ipvsadm -A -f 77 -s wlc; ipvsadm -a -f 77 -r 10.0.1.5:0 -m
  ipvsadm -A -t 10.0.1.4:80 -s rr
  ip address add 10.9.9.9/32 dev e11-dev; ip address add 10.0.1.99/24 dev e11-dev`;

/** What is there of that. */
const OTHERS = `
  ipvsadm -Sn | grep -e '-f 77' -e '-t '
  ip -br address show dev e11-dev | grep -o '10[.]9[.]9[.]9/32\\|10[.]0[.]1[.]99/24'`;

async function sh(script: string, netns?: string): Promise<string> {
  const { stdout, stderr, status } = await exec("sh", ["-c", script], { netns });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout;
}
