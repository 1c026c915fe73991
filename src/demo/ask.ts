/** A question asked in a network namespace, as `dig` in there asks it. No tool is needed for that. */
import { once } from "node:events";
import { datagramSocket } from "../os/datagram.ts";
import { inNetns } from "../os/netns.ts";
import { bindUdp } from "../os/socket.ts";
import { packetText, parsePacket, queryPacket } from "../server/object-edge.ts";

const RESOLVER = { address: "127.0.0.11", port: 53 };
/** Milliseconds. */
const LONGEST = 2_000;

/** What is answered, on one line. Rejects if nobody answers. */
export async function askFrom(netns: string, name: string, type: string): Promise<string> {
  const socket = datagramSocket(RESOLVER.address).bind({ fd: inNetns(netns, () => bindUdp("0.0.0.0", 0).fd) });
  try {
    socket.send(queryPacket(name, type).toBuffer(), RESOLVER.port, RESOLVER.address);
    const [answer] = (await once(socket, "message", { signal: AbortSignal.timeout(LONGEST) })) as [Buffer];
    return packetText(parsePacket(answer));
  } finally {
    socket.close();
  }
}
