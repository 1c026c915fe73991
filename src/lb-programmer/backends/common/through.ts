/** Which server a connection goes through: only its VIP, or the port that it came to, tells. Pure. */
import type { Protocol } from "../../../model/types.ts";
import { lastOf } from "../../port-ranges.ts";
import type { VirtualServer } from "../../state.ts";

export interface Sent {
  /** Where the client sent it. */
  readonly to: string;
  readonly port: number;
  /** As the kernel numbers them. */
  readonly protocol: number;
}

export const through = ({ vip, ports }: VirtualServer, { to, port, protocol }: Sent): boolean =>
  to === vip || ports.some((p) => p.port <= port && port <= lastOf(p) && PROTOCOLS[p.protocol] === protocol);

const PROTOCOLS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
