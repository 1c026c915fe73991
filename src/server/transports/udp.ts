/** UDP over node:dgram: the portable transport. One datagram in, at most one out. */
import { datagramSocket } from "../../os/datagram.ts";
import type { Handler, Opened } from "./transport.ts";

/** Binds (or adopts the bound socket `fd`) and starts to answer; rejects with the system's error (EADDRINUSE, EACCES, …). */
export function openUdp(address: string, port: number, handler: Handler, fd?: number): Promise<Opened> {
  const socket = datagramSocket(address, fd === undefined ? { recvBufferSize: RECEIVE_BUFFER } : {});
  let open = true;
  socket.on("message", (packet, peer) => {
    try {
      const length = handler.serve(packet, packet.length, peer.address, "udp", out);
      if (length > 0) socket.send(Buffer.from(out.subarray(0, length)), peer.port, peer.address);
      else if (length < 0) {
        handler.forward(packet, peer.address, "udp", (answer) => {
          if (open) socket.send(answer, peer.port, peer.address);
        });
      }
    } catch (error) {
      handler.threw(error);
    }
  });
  socket.once("close", () => {
    open = false;
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(fd === undefined ? { address, port, exclusive: true } : { fd, exclusive: true }, () => {
      socket.removeListener("error", reject);
      // An ICMP error of some earlier answer surfaces here; that client is gone, the socket is fine.
      socket.on("error", handler.failed);
      resolve({ port: socket.address().port, close: () => new Promise((done) => socket.close(done)) });
    });
  });
}

/** Bursts wait here while we are busy; the kernel caps it at net.core.rmem_max. */
const RECEIVE_BUFFER = 1 << 20;

/** Largest answer to a UDP query; what is larger goes over TCP. */
const out = Buffer.alloc(4096);
