/** A name server as others run it, of whom it is known what it was asked: it answers at once, later, or never. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

/** By the name's end, after how many ms it is answered; all others never are. */
const DELAYS: readonly (readonly [string, number])[] = [
  ["\x04good\x04test", 0],
  ["\x04soon\x04test", 100],
  ["\x04slow\x04test", 1_000],
];

export class Upstream {
  readonly #socket: Socket = createSocket({ type: "udp4", recvBufferSize: 1 << 21 });
  /** What came for each first label, lower-cased, and from which ports. */
  readonly seen = new Map<string, number[]>();

  /** Its port. */
  async open(address: string, port = 53): Promise<number> {
    this.#socket.on("message", (q, { port, address }) => {
      const labels = q.toString("latin1", 12, q.indexOf(0, 12)).toLowerCase();
      const first = labels.slice(1, 1 + labels.charCodeAt(0));
      this.seen.set(first, [...(this.seen.get(first) ?? []), port]);
      const delay = DELAYS.find(([end]) => labels.endsWith(end))?.[1];
      if (delay === undefined) return;
      const end = q.indexOf(0, 12) + 5;
      const reply = Buffer.concat([q.subarray(0, end), Buffer.from("c00c00010001000000000004c6336401", "hex")]);
      reply.writeUInt16BE(0x8180, 2);
      reply.set([0, 1, 0, 1, 0, 0, 0, 0], 4);
      if (delay === 0) this.#socket.send(reply, port, address);
      else setTimeout(() => this.#socket.send(reply, port, address), delay);
    });
    this.#socket.bind(port, address);
    await once(this.#socket, "listening");
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }
}
