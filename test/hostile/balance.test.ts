/** Balancing in the namespace of a container that writes to our tables there: what it can bring about is in its own namespace only. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Balancing } from "../../src/balancing/balancing.ts";
import { StateDir } from "../../src/os/state-dir.ts";
import { Registry } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";
import { withoutNamespaces } from "../system/namespaces.ts";
import { Canary, Containers } from "./container.ts";

const BASE = `
  network n overlay 10.0.1.0/24
  service web on n vip=10.0.1.2
  task web.1 on n ip=10.0.1.3
  container client on n ip=10.0.1.9
`;

let count = 0;

describe.skipIf(withoutNamespaces())("a container that writes to our table", () => {
  const containers = new Containers();
  const canary = new Canary();
  afterAll(() => {
    containers.clean();
    canary.remove();
  });

  let short: string;
  let balancing: Balancing;
  let said: string[];
  const sandbox = () =>
    ({ id: "s", member: { kind: "container", id: "client" }, listen: [], netns: containers.path(short) }) as const;

  function start(): Balancing {
    const registry = new Registry();
    registry.apply(changes(BASE));
    registry.apply([{ kind: "sandbox.put", sandbox: sandbox() }]);
    const started = new Balancing(
      { backend: "nftables" },
      {
        state: () => registry.state,
        changeNames: async () => {},
        stateDir: new StateDir(mkdtempSync(join(tmpdir(), "eleven-state-"))),
        onNotice: (message) => void said.push(message),
      },
    );
    onTestFinished(() => started.close({ clear: false }));
    return started;
  }

  beforeEach(async () => {
    short = `b${count++}`;
    said = [];
    await containers.add(short);
    balancing = start();
    balancing.add(sandbox());
    await balancing.settled();
    expect(containers.attack(short, "nft list table inet eleven")).toContain("10.0.1.2");
  });

  const tables = () => containers.attack(short, "nft list tables").trim();

  /** What ends with our clearing the namespace. */
  const ENDS: readonly (readonly [string, () => Promise<void>])[] = [
    ["shutdown", () => balancing.close({ clear: true })],
    ["removal", () => balancing.remove("s")],
    [
      "discard by the next process",
      async () => {
        await balancing.close({ clear: false });
        await start().clear(containers.path(short));
      },
    ],
  ];

  /** What it writes, as what we would take for a device, an address, or a name of ours. "@": a command that leaves its mark on the host. */
  const WRITES: readonly (readonly [string, string])[] = [
    ["commands for ip in the comment of an address", `add element inet eleven owned4 { 10.9.9.9 comment "lo\n@" }`],
    ["commands for ip in the comment of an IPv6 address", `add element inet eleven owned6 { fd00::9 comment "x\n@" }`],
  ];

  test.each(ENDS.flatMap(([end, run]) => WRITES.map(([what, text]) => [what, end, text, run] as const)))(
    "%s, before %s: nothing is run on the host, and our table goes",
    async (_, __, text, run) => {
      const command = `netns exec ${containers.name(short)} touch ${canary.never}`;
      containers.attack(short, `nft '${text.replace("@", command)}'`);
      await run();
      canary.untouched();
      expect(tables()).toBe("");
    },
  );
});
