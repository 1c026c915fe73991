/** The data plane of this thread, on sockets that were opened for it. */
import { createSocket } from "node:dgram";
import { expect, test } from "vitest";
import { createForwarder } from "../../src/forwarder/io/node-loop.ts";
import { bindUdp } from "../../src/os/socket.ts";
import { inlinePlane } from "../../src/server/inline-plane.ts";
import { createServing } from "../../src/server/serve.ts";

test.each([true, false])(
  "a pair of which one can't be used is closed again, and undone (batched: %s)",
  async (batched) => {
    const udp = bindUdp("127.0.0.1", 0);
    let released = 0;
    const plane = inlinePlane({
      serving: createServing({ compat: "none", negativeTtl: 1, identity: { version: "", id: "" } }),
      forwarder: createForwarder(),
      sockets: async () => ({ udp: udp.fd, tcp: 0x7fff_ffff, port: 53, release: async () => void released++ }),
      batched,
    });
    await expect(plane.attach("s", [{ address: "127.0.0.1", port: 53 }])).rejects.toThrow();
    expect(released).toBe(1);
    const again = createSocket("udp4");
    await new Promise<void>((resolve, reject) => again.once("error", reject).bind(udp.port, "127.0.0.1", resolve));
    again.close();
    await plane.close();
  },
);
