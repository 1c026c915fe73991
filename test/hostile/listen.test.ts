/** Containers that make news without end: others' are heard all the same, and this process has little to do with it. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { listen, type News } from "../../src/os/netlink/listen.ts";
import { withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";

/** Watched beside the attacker's, by as many as look themselves when something is lost. */
const WATCHED = 200;

/** Each prints a line once it is at work. */
const FLOODS: readonly (readonly [string, string])[] = [
  [
    "changes of rules",
    `echo go; exec nft -i > /dev/null < <(while echo "add table inet t; delete table inet t"; do :; done)`,
  ],
  [
    "addresses",
    `each() { for i in {1..500}; do echo "addr $1 10.9.$((i / 250)).$((i % 250)) dev lo"; done; }
     echo go; while :; do each add | ip -batch -; each del | ip -batch -; done`,
  ],
];

describe.skipIf(withoutNamespaces())("a container that makes news without end", () => {
  const containers = new Containers();
  afterAll(() => containers.clean());

  test.each(FLOODS)("%s", async (what, flood) => {
    const [a, b] = [`a-${what.split(" ")[0]}`, `b-${what.split(" ")[0]}`];
    await containers.add(a, b);
    const told: News[] = [];
    let others = 0;
    onTestFinished(listen(containers.path(a), () => void others++));
    onTestFinished(listen(containers.path(b), (news) => void told.push(news)));
    for (let i = 0; i < WATCHED; i++)
      onTestFinished(listen(containers.path(b), ({ kind }) => void (kind === "unsure" && others++)));
    const attack = await containers.attacking(a, flood);
    onTestFinished(() => attack.end());

    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const [from, used] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < 5; i++) {
      told.length = 0;
      await containers.exec(b, "nft", "add", "table", "inet", `t${i}`);
      const isTold = () => expect(told.some(({ kind }) => kind !== "addresses")).toBe(true);
      await vi.waitFor(isTold, { timeout: 1_000, interval: 5 });
    }
    const { user, system } = process.cpuUsage(used);
    const seconds = (performance.now() - from) / 1_000;
    attack.end();
    delay.disable();
    const rate = Math.round(others / seconds / (WATCHED + 1));
    console.log(
      `${what}: each is told ${rate} times a second, ${Math.round((user + system) / 1e4 / seconds)} % of a core, longest wait ${Math.round(delay.max / 1e6)} ms`,
    );
    // Ten times a second its own namespace; each other one at most twice, if something is lost.
    expect(others / seconds).toBeLessThan(10 + 2 * WATCHED * 1.2);
    expect((user + system) / 1e6 / seconds).toBeLessThan(0.25);
  });
});
