/** What a container tries by way of the forwarder, and what must not happen to the container next to it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type Served, serve } from "../system/dig.ts";
import { eventually, withoutNamespaces } from "../system/namespaces.ts";
import { Containers } from "./container.ts";
import { Upstream } from "./upstream.ts";
import {
  type Asking,
  asking,
  CLOSING,
  DRIPPING,
  guessing,
  LONG,
  program,
  truncating,
  UNSOLICITED,
  ZEROS,
} from "./upstream-programs.ts";

/** Both containers' upstream, on the host's loopback: an address that nobody else is likely to have. */
const UPSTREAM = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255}`;

describe.skipIf(withoutNamespaces())("a container attacks by way of the forwarder", () => {
  const folder = mkdtempSync(join(tmpdir(), "eleven-upstream-"));
  const upstream = new Upstream();
  let containers: Containers;
  let served: Served;

  beforeAll(() => upstream.open(UPSTREAM));
  afterAll(() => {
    upstream.close();
    rmSync(folder, { recursive: true });
  });

  const start = async (upstreams = "", workers = 1) => {
    containers = new Containers();
    await containers.add("a", "b");
    const conf = join(folder, "resolv.conf");
    writeFileSync(conf, `nameserver ${UPSTREAM}\n`);
    served = await serve(`
workers: ${workers}
upstreams: { resolv_conf: ${conf} }
networks: { n: {} }
containers: { one: { networks: [n] } }
sandboxes:
  a: { container: one, netns: ${containers.path("a")} ${upstreams} }
  b: { container: one, netns: ${containers.path("b")} }
`);
  };
  const stop = async () => {
    await served.stop();
    containers.clean();
  };
  /** Not an attacker; and not in this thread, where the upstream is. */
  const ask = async (what: Asking, who = "b"): Promise<Record<string, number>> =>
    JSON.parse(await containers.exec(who, process.execPath, "-e", asking(what)));
  const attack = (what: Asking) => containers.attacking("a", program(asking(what)));

  describe("with the upstream that both have", () => {
    beforeEach(async () => {
      await start();
      return stop;
    });

    test("2 000 questions a second that no upstream answers | not one of another's is refused or lost", async () => {
      await attack({ name: "n%.dead.test", count: Number.POSITIVE_INFINITY, rate: 2_000 });
      await eventually(() => upstream.seen.has("n1000"), Boolean);
      // Fewer than its part of 1024, so that none may be refused however slow this machine is.
      expect(await ask({ name: "b%.good.test", count: 500, rate: 500 })).toMatchObject({ NOERROR: 500 });
    });

    test("asks what is in flight elsewhere, under every id there is | it is answered there", async () => {
      const answered = ask({ name: "wanted.slow.test", count: 1, rate: 1_000 });
      await eventually(() => upstream.seen.has("wanted"), Boolean);
      await containers.attacking("a", guessing("wanted.slow.test A"));
      expect(await answered).toMatchObject({ NOERROR: 1 });
      expect(await ask({ name: "c%.good.test", count: 100, rate: 1_000 })).toMatchObject({ NOERROR: 100 });
    });

    test("1 000 questions for one name, each with another option | a packet or two upstream, and everyone is answered", async () => {
      const said = await ask({ name: "birthday.slow.test", count: 1_000, rate: 4_000, options: true }, "a");
      const ports = upstream.seen.get("birthday") ?? [];
      console.log(
        `upstream: ${ports.length} packets from ${new Set(ports).size} ports; client: ${JSON.stringify(said)}`,
      );
      expect(said).toMatchObject({ NOERROR: 1_000 });
      expect(ports.length).toBeGreaterThan(0);
      expect(ports.length).toBeLessThanOrEqual(4);
      expect(new Set(ports).size).toBeLessThanOrEqual(4);
    });
  });

  describe("as its own upstream, which says TC and over TCP", () => {
    test.each([
      ["streams zeros", 1, ZEROS],
      ["streams zeros", 0, ZEROS],
      ["streams replies that nobody asked for", 1, UNSOLICITED],
      ["streams replies that nobody asked for", 0, UNSOLICITED],
      ["streams messages as long as they may be", 1, LONG],
      ["drips", 1, DRIPPING],
      ["closes every connection", 1, CLOSING],
    ])("%s (workers: %i) | everyone else is answered as ever", async (_, workers, each) => {
      await start(`, upstreams: ["127.0.0.1"]`, workers);
      onTestFinished(stop);
      await containers.attacking("a", `ip link set lo up; ${program(truncating(each))}`);
      await attack({ name: "n%.own.test", count: Number.POSITIVE_INFINITY, rate: 200 });
      const said = await ask({ name: "b%.good.test", count: 1_000, rate: 500 });
      console.log(`slowest: ${said["slowest"]} ms`);
      expect(said).toMatchObject({ NOERROR: 1_000 });
      expect(said["slowest"]).toBeLessThan(3_000); // of an idle machine a few ms; it was for ever
    });
  });
});
