/** What the demo shows: names from inside, requests that spread over tasks, and both while things change. */
import { reasonOf } from "../os/error.ts";
import { askFrom } from "./ask.ts";
import { fetchFrom } from "./http.ts";
import type { Swarm } from "./swarm.ts";
import { nameOf, pathOf } from "./wiring.ts";

const VIP_REQUESTS = 30;

/** Plays it; `stopped` ends it early. */
export async function play(swarm: Swarm, stopped: () => boolean): Promise<void> {
  const vip = swarm.node.state.services.get("web")!.networks[0]!.vip4!;
  const steps: [string, () => Promise<unknown>][] = [
    [
      "Names, as a container sees them",
      async () => {
        for (const question of ["web", "tasks.web", "db", "2.web", `-x ${vip}`]) await dig(question);
      },
    ],
    ["Thirty requests to the virtual IP, each on a new connection", () => spread("client", vip, 80, stopped)],
    [
      "The same port published: from outside, through the routing mesh",
      () => spread("outside", "192.0.2.1", 8080, stopped),
    ],
    [
      "Scale web to five, with requests all the while",
      () =>
        under(vip, stopped, async () => {
          for (const slot of [4, 5]) await swarm.addTask("web", slot);
        }),
    ],
    ["", () => dig("tasks.web")],
    ["", () => spread("client", vip, 80, stopped)],
    ["Kill web.2: it is gone from names and kernel at once", () => swarm.kill("web", 2)],
    ["", () => dig("tasks.web")],
    ["", () => spread("client", vip, 80, stopped)],
    ["Drain web.3 and take it away, with requests all the while", () => under(vip, stopped, () => drain(swarm, 3))],
    ["", () => spread("client", vip, 80, stopped)],
  ];
  for (const [title, step] of steps) {
    if (stopped()) return;
    if (title !== "") console.log(`\n# ${title}`);
    await step();
  }
}

async function drain(swarm: Swarm, slot: number): Promise<void> {
  await swarm.setTask("web", slot, "draining");
  await swarm.removeTask("web", slot);
}

/** What the client's own resolver answers it. */
async function dig(question: string): Promise<void> {
  const [name, type] = question.startsWith("-x ") ? [reverseOf(question.slice(3)), "PTR"] : [question, "A"];
  const answer = await askFrom(pathOf("client"), name, type).catch(reasonOf);
  console.log(`${`client$ dig +short ${question}`.padEnd(44)} ${answer}`);
}

const reverseOf = (ip4: string): string => `${ip4.split(".").reverse().join(".")}.in-addr.arpa`;

/** Who answers how often. One request at the most is waited for when it is to stop: it may take its whole time-out. */
async function spread(from: string, address: string, port: number, stopped: () => boolean): Promise<void> {
  const counts = new Map<string, number>();
  for (let i = 0; i < VIP_REQUESTS; i++) {
    if (stopped()) return;
    const who = await fetchFrom(pathOf(from), address, port);
    counts.set(who, (counts.get(who) ?? 0) + 1);
  }
  const shares = [...counts].sort().map(([who, n]) => `${who} ${n}`);
  console.log(`${`${from}$ curl ${address}:${port}  (x${VIP_REQUESTS})`.padEnd(44)} ${shares.join("   ")}`);
}

/** Requests one after the other while `work` is done; none may fail. */
async function under(vip: string, stopped: () => boolean, work: () => Promise<void>): Promise<void> {
  let [done, failed, over] = [0, 0, false];
  const load = async () => {
    while (!over && !stopped()) {
      const who = await fetchFrom(pathOf("client"), vip, 80);
      if (/^web\.\d+$/.test(who)) done++;
      else failed++;
    }
  };
  const loads = [load(), load()];
  try {
    await work();
  } finally {
    over = true;
    await Promise.all(loads);
  }
  if (stopped()) return;
  console.log(
    `${`client$ curl ${vip}:80  (x${done})`.padEnd(44)} ${failed === 0 ? "none failed" : `${failed} FAILED`}`,
  );
}

/** What to try by hand. */
export const invitation = (): string =>
  [
    "",
    "It stays until Ctrl-C. Try, from another terminal, what is installed:",
    `  ip netns exec ${nameOf("client")} dig @127.0.0.11 web`,
    `  ip netns exec ${nameOf("client")} ping 10.0.1.2`,
    `  ip netns exec ${nameOf("client")} nft list table inet eleven`,
  ].join("\n");
