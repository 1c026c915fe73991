/** Balancing in the namespace of a container that writes to our tables there: what it can bring about is in its own namespace only. */
import { mkdtempSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { SETS } from "../../src/lb-programmer/backends/inet-table/sets.ts";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { Balancing } from "../../src/lb-programmer/order/balancing.ts";
import type { BalanceOptions } from "../../src/lb-programmer/order/options.ts";
import { changeText } from "../../src/os/nftables/text.ts";
import { StateDir } from "../../src/os/state-dir.ts";
import { Registry } from "../../src/registry/registry.ts";
import { changes } from "../support/world.ts";
import { withoutNamespaces } from "../system/namespaces.ts";
import { Canary, Containers } from "./container.ts";

const BASE = `
  network n overlay 10.0.1.0/24
  service web on n vip=10.0.1.2
  task web.1 on n ip=10.0.1.3
  task web.2 on n ip=10.0.1.4
  container attacker on n ip=10.0.1.9
  container neighbour on n ip=10.0.1.10
`;

/** Elements for a map: arguments are the first octet of the keys, how many, and the map. */
const FLOOD = `
  const [net, count, map] = process.argv.slice(1);
  const keys = Array.from({ length: Number(count) }, (_, n) => [net, n >> 16, (n >> 8) & 255, n & 255].join("."));
  console.log("add element " + map + " { " + keys.map((key) => key + " : accept").join(", ") + " }");`;

/** What is built anew is as before. */
const compared = () => ({ backend: new NftablesBackend({ random: () => 0 }) });

let count = 0;

describe.skipIf(withoutNamespaces())("a container that writes to our table", () => {
  const containers = new Containers();
  const canaries: Canary[] = [];
  afterAll(() => {
    containers.clean();
    for (const canary of canaries) canary.remove();
  });

  let canary: Canary;
  let registry: Registry;
  let balancing: Balancing;
  let said: string[];
  /** Namespaces of the attacker and of a neighbour. */
  let [a, b] = ["", ""];
  const sandbox = (id: string, short: string) =>
    ({ id, member: { kind: "container", id }, listen: [], netns: containers.path(short) }) as const;

  /** A process that balances in the attacker's namespace, and knows nothing of earlier ones but what they left there. */
  function start(options: BalanceOptions = compared()): Balancing {
    const started = new Balancing(options, {
      state: () => registry.state,
      changeNames: async () => {},
      stateDir: new StateDir(mkdtempSync(join(tmpdir(), "eleven-state-"))),
      onNotice: (message) => void said.push(message),
    });
    onTestFinished(() => started.close({ clear: false }));
    return started;
  }

  async function attach(id: string, short: string): Promise<void> {
    registry.apply([{ kind: "sandbox.put", sandbox: sandbox(id, short) }]);
    balancing.add(sandbox(id, short));
    await balancing.settled();
  }

  beforeEach(async () => {
    [a, b] = [`a${count}`, `b${count++}`];
    said = [];
    canary = new Canary();
    canaries.push(canary);
    await containers.add(a, b);
    registry = new Registry();
    registry.apply(changes(BASE));
    balancing = start();
    await attach("attacker", a);
    expect(table(a)).toContain("10.0.1.2");
  });

  const table = (short: string) => containers.attack(short, "nft -j list table inet eleven");

  /** What it writes, as what we would take for a device, an address, or a name of ours. "@": a command that leaves its mark on the host. */
  const WRITES: readonly (readonly [string, string])[] = [
    ["commands for ip in the comment of an address", `add element inet eleven owned4 { 10.9.9.9 comment "lo\n@" }`],
    ["commands for ip in the comment of an IPv6 address", `add element inet eleven owned6 { fd00::9 comment "x\n@" }`],
    ["an address of an interface of its own", `add element inet eleven owned4 { 10.9.9.9 comment "lo" }`],
    [
      "a path in the place of a bridge",
      `add element inet eleven host4 { 6 . 80 comment "../../.." : 10.0.0.9 . 80 };
       add element inet eleven bridges { "../../.." }`,
    ],
    ["commands for nft in the name of an interface", elementJson("bridges", '"}\ninclude "/')],
    [
      "a map of ours with keys of any text",
      `{"nftables": [
        {"delete": {"table": {"family": "inet", "name": "eleven"}}}, {"add": {"table": {"family": "inet", "name": "eleven"}}},
        {"add": {"set": {"family": "inet", "table": "eleven", "name": "ping4", "type": "ifname", "elem": ["}\\ninclude /x"]}}}
      ]}`,
    ],
    [
      "a server that is named by a command",
      `add chain inet eleven s-999; add element inet eleven refused-local4 { 10.9.9.9 };
       add element inet eleven servers4 { 999 comment "rr 0 ml x\n@" : 10.9.9.9 };
       add element inet eleven local4 { 10.9.9.9 : goto s-999 }`,
    ],
    ["a rule that is commented by a command", `add rule inet eleven s-256 accept comment "x\n@"`],
  ];
  /** Maps and sets of ours that were not needed so far are made first, as we would. */
  function write(text: string): void {
    const used = [...SETS.values()].filter(({ name }) => new RegExp(`\\b${name}\\b`).test(text));
    const made = used.map((set) => changeText("eleven", { kind: "set.add", set })).join("\n");
    containers.attack(a, `nft -f - <<'END'\n${made}\nEND`);
    const command = `netns exec ${containers.name(a)} touch ${canary.never}`;
    containers.attack(a, `nft ${text.startsWith("{") ? "-j" : ""} -f - <<'END'\n${text.replace("@", command)}\nEND`);
  }

  /** What we do there. */
  const ENDS: readonly (readonly [string, () => Promise<void>])[] = [
    ["shutdown", () => balancing.close({ clear: true })],
    ["removal", () => balancing.remove("attacker")],
    [
      "discard by the next process",
      async () => {
        await balancing.close({ clear: false });
        await start().clear(containers.path(a));
      },
    ],
  ];

  test.each(ENDS.flatMap(([end, run]) => WRITES.map(([what, text]) => [what, end, text, run] as const)))(
    "%s, before %s: nothing is run on the host, nothing odd is said, and our table goes",
    async (_, __, text, run) => {
      const routes = containers.attack(a, "ip -br address");
      write(text);
      await run();
      canary.untouched();
      expect(containers.attack(a, "nft list tables").trim()).toBe("");
      expect(containers.attack(a, "ip -br address")).toBe(routes);
      for (const line of said) expect(line).toMatch(/^[ -~]{1,500}$/);
    },
  );

  test.each(WRITES)(
    "%s, while we balance there: seen, and put right, with nothing run on the host",
    async (_, text) => {
      const before = table(a);
      write(text);
      await vi.waitFor(() => expect(withoutHandles(table(a))).toBe(withoutHandles(before)), {
        timeout: 10_000,
        interval: 100,
      });
      canary.untouched();
      for (const line of said) expect(line).toMatch(/^[ -~]{1,500}$/);
    },
  );

  test("it claims another service's key with a mark that fits no number of ours, before a restart: others are balanced all the same", async () => {
    await balancing.close({ clear: false });
    write(`add chain inet eleven s-4294967295;
      add element inet eleven servers4 { 4294967295 comment "rr 0 ml api/n/4" : 10.0.1.50 };
      add element inet eleven local4 { 10.0.1.50 : goto s-4294967295 }; add element inet eleven refused-local4 { 10.0.1.50 }`);
    registry.apply(
      changes("service api on n vip=10.0.1.50\n task api.1 on n ip=10.0.1.51\n task api.2 on n ip=10.0.1.52"),
    );
    balancing = start();
    balancing.add(sandbox("attacker", a));
    await attach("neighbour", b);
    expect(balancing.status().map(({ target, state, reason }) => `${target} ${state} ${reason}`)).toEqual([
      "sandbox/attacker equal undefined",
      "sandbox/neighbour equal undefined",
    ]);
    for (const short of [a, b]) expect(table(short)).toContain("10.0.1.52");
  });

  test.each([
    [
      "as many hooks as there may be",
      'for i in $(seq 1024); do echo "add chain inet mine c$i { type filter hook prerouting priority 0; }"; done',
    ],
    [
      "chains of the names that are tried, at another hook",
      'echo "add table inet eleven_rehearsal; add chain inet eleven_rehearsal entering { type filter hook input priority 7; }"',
    ],
  ])("it has %s, and is the first in which a backend is looked for: others are balanced", async (_, rules) => {
    await balancing.close({ clear: true });
    containers.attack(a, `(echo "add table inet mine"; ${rules}) | nft -f -`);
    balancing = start({});
    balancing.add(sandbox("attacker", a));
    await attach("neighbour", b);
    await vi.waitFor(() => expect(table(b)).toContain("10.0.1.2"), { timeout: 5_000, interval: 50 });
  });

  test("a table named like ours that takes longer to list than anyone waits: others' changes don't, and it is written anew", async () => {
    await attach("neighbour", b);
    containers.attack(a, `${process.execPath} -e '${FLOOD}' 11 500000 "inet eleven local4" | nft -f -`);
    const waits: number[] = [];
    for (let i = 20; i < 40; i++) {
      const started = performance.now();
      registry.apply(changes(`service api${i} on n vip=10.0.1.1${i}`));
      balancing.follow();
      await vi.waitFor(() => expect(table(b)).toContain(`10.0.1.1${i}`), { timeout: 3_000, interval: 100 });
      waits.push(performance.now() - started);
    }
    console.log(`the neighbour's changes took ${waits.map(Math.round).join(" ")} ms`);
    const small = () => containers.attack(a, "timeout 1 nft -j list table inet eleven || echo still large");
    await vi.waitFor(() => expect(small()).toContain("10.0.1.139"), { timeout: 30_000, interval: 500 });
  });

  test("a transaction in its namespace that takes seconds: this thread does not wait for it", {
    timeout: 120_000,
  }, async () => {
    const text = join(canary.folder, "flood.nft");
    containers.attack(
      a,
      `(echo "add table inet mine; add map inet mine m { type ipv4_addr : verdict; }"
        ${process.execPath} -e '${FLOOD}' 10 1000000 "inet mine m") > ${text}`,
    );
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    await containers.attacking(a, `nft -f ${text} && echo done; sleep 60`);
    delay.disable();
    console.log(`longest wait: ${Math.round(delay.max / 1e6)} ms`);
    expect(delay.max / 1e6).toBeLessThan(700);
  });

  test("transactions in its namespace that take seconds, one after the other: neighbours come and change quickly, and threads are left", {
    timeout: 120_000,
  }, async () => {
    // Each rule that looks into the map has the kernel look at all of it, with every transaction.
    await containers.attacking(
      a,
      `(echo "add table inet busy; add map inet busy m { type ipv4_addr : verdict; }; add chain inet busy t"
        ${process.execPath} -e '${FLOOD}' 10 50000 "inet busy m"
        echo "add chain inet busy c { type filter hook forward priority 0; }"
        for i in $(seq 300); do echo "add rule inet busy c ip saddr vmap @m"; done) | nft -f -
      echo go
      while :; do nft add rule inet busy c ip saddr vmap @m; done`,
    );
    registry.apply(changes("service other on n vip=10.0.1.100")); // for the attacker, too
    balancing.follow();
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const listed = (short: string) => containers.exec(short, "nft", "list", "table", "inet", "eleven");
    const waits: number[] = [];
    const timed = async (work: () => Promise<unknown>): Promise<void> => {
      const started = performance.now();
      await work();
      waits.push(performance.now() - started);
    };
    registry.apply([{ kind: "sandbox.put", sandbox: sandbox("neighbour", b) }]);
    await timed(async () => {
      balancing.add(sandbox("neighbour", b));
      await vi.waitFor(async () => expect(await listed(b)).toContain("10.0.1.100"), { timeout: 5_000, interval: 20 });
    });
    for (let i = 0; i < 10; i++) {
      registry.apply(changes(`service api${i} on n vip=10.0.1.11${i}`));
      balancing.follow();
      await timed(() =>
        vi.waitFor(async () => expect(await listed(b)).toContain(`10.0.1.11${i}`), { timeout: 5_000, interval: 20 }),
      );
      await timed(() => stat("/")); // by one of the threads that all share
    }
    delay.disable();
    console.log(
      `${waits.map(Math.round).join(" ")} ms; the longest wait of this thread ${Math.round(delay.max / 1e6)} ms`,
    );
    expect(Math.max(...waits)).toBeLessThan(5_000);
    expect(delay.max / 1e6).toBeLessThan(2_000);
  });
});

function elementJson(name: string, element: string): string {
  const added = { family: "inet", table: "eleven", name, elem: [element] };
  return JSON.stringify({ nftables: [{ add: { element: added } }] });
}

/** Numbers that the kernel gives each rule anew. */
const withoutHandles = (json: string): string => json.replaceAll(/"handle": ?\d+/g, "");
