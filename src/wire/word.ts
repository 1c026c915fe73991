/** Two octets of a packet, in network order. */

export const word = (packet: Uint8Array, at: number): number => (packet[at]! << 8) | packet[at + 1]!;

export function setWord(packet: Uint8Array, at: number, value: number): void {
  packet[at] = value >> 8;
  packet[at + 1] = value;
}
