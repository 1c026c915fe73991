/** Connections through the nftables backend, for both placements, and to published ports. */
import { describe } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { exec } from "../../src/os/exec.ts";
import { hairpinSuite } from "./hairpin.ts";
import { privileged } from "./namespaces.ts";
import { publishedSuite } from "./published.ts";
import { trafficSuite } from "./traffic.ts";

/** Always the same: what is dumped before and after can be compared. */
const backend = () => new NftablesBackend({ random: () => 0 });

const LOOK =
  "nft list ruleset; ip address; ip neigh; ip -6 neigh; grep -h -e Icmp -e RateLimit /proc/net/snmp /proc/net/snmp6";

const options = {
  flush: async (netns: string) => void (await exec("nft", ["flush", "ruleset"], { netns })),
  dump: async (netns: string) => (await exec("nft", ["--stateless", "list", "ruleset"], { netns })).stdout,
  look: async (netns: string) => (await exec("sh", ["-c", LOOK], { netns })).stdout,
};

describe.skipIf(!privileged())("nftables", () => {
  for (const placement of ["sandbox", "network"] as const) trafficSuite("nftables", backend, placement, options);
  publishedSuite("nftables", backend, options);
  hairpinSuite("nftables", backend, {});
});
