import { expect, test } from "vitest";
import { createForwarderCore } from "../../../src/forwarder/core/core.ts";
import { query } from "../../support/packets.ts";

const REQUEST = { questionEnd: 19, edns: false, dnssecOk: false, limit: 512, from: "", asker: "a" };
const upstreams = [{ address: "192.0.2.2", port: 53 }];

test("a server's sockets stay bounded however long it is silent", () => {
  let now = 0;
  let open = 0;
  let most = 0;
  let seed = 1;
  const core = createForwarderCore({
    now: () => now,
    random: () => (seed = (seed * 25173 + 13849) & 0xffff),
    options: { cache: false, maxInFlight: 2048 },
    exchange: {
      open: () => {
        most = Math.max(most, ++open);
      },
      send: () => {},
      close: () => open--,
    },
  });
  const packet = query("a A");
  let replies = 0;
  for (let i = 0; i < 12_000; i++) {
    const own = Buffer.from(packet);
    own.writeUInt16BE(i & 0xffff, 15);
    const question = `\x01a${own.toString("latin1", 15, 19)}`;
    core.forward({ ...REQUEST, packet: own, question, upstreams }, () => replies++);
    if (i % 2 === 0) now++;
    if (now >= core.nextDeadline()) core.tick();
  }
  for (; core.nextDeadline() < Number.POSITIVE_INFINITY; core.tick()) now = Math.max(now, core.nextDeadline());
  expect([replies, open]).toEqual([12_000, 0]);
  expect(most).toBeLessThanOrEqual(64 + 8);
});
