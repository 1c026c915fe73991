/** Published ports reserved on a host: this machine's loopback stands for it. */
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { PortReservations } from "../../../src/lb-programmer/order/ports.ts";
import { parseState, stateText } from "../state-text.ts";

const EMPTY = parseState("");

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
