/** Node's own UDP sockets, the way we want all of them: for addresses, with no name ever looked up. Needs no koffi. */
import { createSocket, type Socket, type SocketOptions } from "node:dgram";
import { familyOf } from "../model/address.ts";

/** A socket of the family that `address` is of; not bound yet. */
export const datagramSocket = (address: string, options: Omit<SocketOptions, "type" | "lookup"> = {}): Socket =>
  createSocket({ ...options, type: familyOf(address) === 6 ? "udp6" : "udp4", lookup: verbatim });

/** Peers are addresses: no turn of the event loop is spent on them, and what is sent is out before the socket may be closed. */
function verbatim(
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  callback(null, host, familyOf(host));
}
