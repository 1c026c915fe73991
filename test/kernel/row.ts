/** How each row of a suite in the world of world.ts begins and, if it fails, ends. */
import { beforeEach, onTestFailed } from "vitest";
import type { LbTarget } from "../../src/lb-programmer/state.ts";
import type { Swarm } from "./swarm.ts";
import type { World } from "./world.ts";

/** Where a row happens; `balancers` are shown if it fails, as `look` prints the namespace at a path. */
export interface Stage {
  readonly world: World;
  readonly swarm: Swarm;
  readonly balancers: readonly LbTarget[];
  readonly look: (netns: string) => Promise<string>;
}

/** Nothing is held or sent, there is no service and nothing in the kernel; what a failure leaves there is printed. */
export function beginRows(stage: () => Stage): void {
  beforeEach(async () => {
    const { world, swarm, balancers, look } = stage();
    for (const peer of Object.values(world.peers)) await peer.release();
    await swarm.reset();
    onTestFailed(async () => {
      for (const { id, netns } of balancers) console.log(`${id}, as the failure left it:\n${await look(netns!)}`);
    });
  });
}
