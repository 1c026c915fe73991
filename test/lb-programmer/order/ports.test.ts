/** Published ports reserved on a host: this machine's loopback stands for it. */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { PortReservations } from "../../../src/lb-programmer/order/ports.ts";
import { single } from "../../../src/lb-programmer/port-ranges.ts";
import { parseState, stateText } from "../state-text.ts";

const EMPTY = parseState("");

test("a range that is somebody else's is one problem, and so is what is left of it when one of its ports is free", async () => {
  const others = Array.from({ length: 5 }, () => createServer());
  let first = 0;
  for (first = 20_000; first < 30_000; first += 5) if (await taken(others, first)) break;
  onTestFinished(() => others.forEach((other) => void other.close()));
  const reservations = new PortReservations(undefined);
  onTestFinished(() => reservations.close());
  const range = `${first}-${first + 4}`;
  const keep = () => {
    const { published } = parseState(`published tcp ${range} to 10.0.0.2 ${first} over gw`);
    reservations.keep(published.flatMap(single).toReversed()); // in whatever order
    return reservations.taken;
  };
  const inUse = (port: number, ports: string) => `${ports}/tcp (IPv4): bind 0.0.0.0:${port}: EADDRINUSE`;
  expect(keep()).toEqual([inUse(first, range)]);
  await new Promise((resolve) => others[1]!.close(resolve));
  expect(keep()).toEqual([inUse(first, `${first}`), inUse(first + 2, `${first + 2}-${first + 4}`)]);
});

/** Neighbours from this port on are theirs; false if one of them is somebody else's. */
async function taken(servers: readonly Server[], first: number): Promise<boolean> {
  const outcomes = await Promise.allSettled(
    servers.map((server, i) => once(server.listen(first + i, "0.0.0.0"), "listening")),
  );
  if (outcomes.every(({ status }) => status === "fulfilled")) return true;
  for (const server of servers) server.close();
  return false;
}

test("a range without the one port that is somebody else's", async () => {
  const other = createServer();
  const port = await new Promise<number>((resolve) =>
    other.listen(0, "0.0.0.0", () => resolve((other.address() as { port: number }).port)),
  );
  const reservations = new PortReservations(undefined);
  const kept = (first: number, last: number) =>
    stateText({
      ...EMPTY,
      published: reservations.keep(parseState(`published tcp ${first}-${last} to 10.0.0.2 ${first} over gw`).published),
    });
  try {
    const [first, last] = [port - 9, port + 8];
    if (first < 1 || last > 65_535) return;
    const found = kept(first, last);
    expect(reservations.taken.join()).toContain(`${port}/tcp (IPv4): bind 0.0.0.0:${port}: EADDRINUSE`);
    if (reservations.taken.length > 1) return; // others on this machine have some, too
    expect(found).toBe(
      `published tcp ${first}-${port - 1} to 10.0.0.2 ${first} over gw\npublished tcp ${port + 1}-${last} to 10.0.0.2 ${port + 1} over gw`,
    );
    await new Promise((resolve) => other.close(resolve));
    expect(kept(first, last)).toBe(`published tcp ${first}-${last} to 10.0.0.2 ${first} over gw`);
  } finally {
    reservations.close();
    other.close();
  }
});
