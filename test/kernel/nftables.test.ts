/** The nftables backend on the real kernel: what it installs and reads, then what connections do. */
import { afterAll, describe } from "vitest";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import { exec } from "../../src/os/exec.ts";
import { backendCases } from "../../src/testing/backend.ts";
import { runCases } from "../support/cases.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

/** Rules of others: the address of a device that VIPs come to, a table of nft's, rules of iptables. */
const FOREIGN = `
table ip filter { chain INPUT { type filter hook input priority 0; policy accept; tcp dport 1 drop; }; }
table inet mine { map local4 { type ipv4_addr : verdict; elements = { 10.9.9.9 : accept }; }; }
`;

const targetOf = ({ name, path }: Namespace): LbTarget => ({
  kind: "network",
  id: `network/${name}`,
  network: name,
  device: "dev0",
  netns: path,
});

describe.skipIf(!privileged())("nftables", () => {
  const backend = new NftablesBackend();
  afterAll(() => backend.close());
  runCases(
    "backend: nftables",
    backendCases(
      async () => {
        const [here, other] = [await freshNamespace(), await freshNamespace()];
        for (const { run } of [here, other])
          for (const name of ["dev0", "e11-gw"]) await run("ip", "link", "add", name, "up", "type", "bridge");
        return {
          backend,
          target: targetOf(here),
          other: targetOf(other),
          foreign: {
            add: async () => {
              await here.run("ip", "addr", "add", "10.0.1.77/24", "dev", "dev0");
              await exec("nft", ["-f", "-"], { netns: here.path, input: FOREIGN });
            },
            text: async () =>
              [
                await here.run("nft", "list", "table", "ip", "filter"),
                await here.run("nft", "list", "table", "inet", "mine"),
                (await here.run("ip", "-o", "addr", "show", "dev", "dev0")).match(/10\.0\.1\.77\S*/)?.[0],
              ].join("\n"),
          },
          flush: async () => {
            await here.run("nft", "flush", "ruleset");
            await here.run("ip", "addr", "flush", "dev", "dev0");
          },
          destroy: () => here.remove(),
          close: async () => {
            await here.remove();
            await other.remove();
          },
        };
      },
      { device: "dev0", runs: 10 },
    ),
  );
});
