/** The addresses of one network: who has which, and the next free one. Serial, so that an address rests before it is reused. */
import { addressBytes, addressText, type Cidr, cidrText, familyOf, inCidr, parseCidr } from "../model/address.ts";
import { brief } from "../model/quote.ts";
import type { Network } from "../model/types.ts";
import { RegistryError } from "./error.ts";
import type { Taking, Undo } from "./undo.ts";

const GATEWAY = "the gateway";

export class AddressPool {
  readonly #id: string;
  #network: string;
  readonly #ranges: Range[];
  /** Address (canonical text) to its owner, as people would name it. */
  readonly #owners = new Map<string, string>();

  constructor(network: Network) {
    this.#id = network.id;
    this.#network = network.name;
    this.#ranges = network.subnets.map((s) => new Range(parseCidr(s.cidr)!));
    for (const [i, { gateway }] of network.subnets.entries()) {
      if (gateway === undefined) continue;
      this.#owners.set(gateway, GATEWAY);
      this.#ranges[i]!.used = 1;
    }
  }

  /** Address families of the network. */
  has(family: 4 | 6): boolean {
    return this.#ranges.some((r) => r.cidr.family === family);
  }

  /** The subnets, parsed. */
  get cidrs(): readonly Cidr[] {
    return this.#ranges.map((r) => r.cidr);
  }

  /** Address to owner, gateways left out. */
  get users(): ReadonlyMap<string, string> {
    return new Map([...this.#owners].filter(([, owner]) => owner !== GATEWAY));
  }

  /** The network's new name, for what is said to people. */
  rename(network: string, undo: Undo): void {
    const before = this.#network;
    this.#network = network;
    undo.push(() => {
      this.#network = before;
    });
  }

  /** The new name of an address's owner. */
  reown(address: string, owner: string, undo: Undo): void {
    if (this.#owners.has(address)) undo.set(this.#owners, address, owner);
  }

  /** Gives `owner` this address, or (without one) the next free one of the family that the batch does not ask for by itself. */
  take(owner: string, family: 4 | 6, address: string | undefined, step: Taking, exhausted: string): string {
    if (address === undefined) return this.#next(owner, family, step, exhausted);
    const taken = this.#explicit(address, family, owner);
    this.#claim(this.#rangeOf(taken), taken, owner, step.undo);
    return taken;
  }

  release(address: string, undo: Undo): void {
    if (!this.#owners.has(address)) return;
    const range = this.#rangeOf(address);
    range.note(undo);
    undo.delete(this.#owners, address);
    range.used--;
  }

  #explicit(address: string, family: 4 | 6, owner: string): string {
    const bytes = addressBytes(address);
    if (bytes === undefined || (bytes.length === 4) !== (family === 4)) {
      throw new RegistryError("invalid", `${owner}: "${brief(address)}" is no IPv${family} address`);
    }
    const canonical = addressText(bytes);
    const range = this.#ranges.find((r) => inCidr(r.cidr, canonical));
    if (range === undefined) {
      const subnets = this.#ranges.map((r) => r.text).join(", ");
      throw new RegistryError(
        "invalid",
        `${owner}: ${canonical} is outside the subnets of network ${brief(this.#network)} (${brief(subnets)})`,
      );
    }
    if (range.reserved(canonical)) {
      throw new RegistryError("invalid", `${owner}: ${canonical} is the network or broadcast address of ${range.text}`);
    }
    const user = this.#owners.get(canonical);
    if (user !== undefined) {
      throw new RegistryError(
        "conflict",
        `${owner}: ${canonical} is already used by ${user} on network ${brief(this.#network)}`,
      );
    }
    return canonical;
  }

  #next(owner: string, family: 4 | 6, { undo, spoken }: Taking, exhausted: string): string {
    const busy = (a: string) => this.#owners.has(a) || (spoken.size > 0 && spoken.has(spokenAddress(this.#id, a)));
    for (const range of this.#ranges) {
      if (range.cidr.family !== family) continue;
      range.note(undo);
      const found = range.next(busy);
      if (found === undefined) continue;
      this.#claim(range, found, owner, undo);
      return found;
    }
    throw new RegistryError("exhausted", `${exhausted} (network ${brief(this.#network)}, IPv${family})`);
  }

  #claim(range: Range, address: string, owner: string, undo: Undo): void {
    range.note(undo);
    undo.set(this.#owners, address, owner);
    range.used++;
  }

  /** The range of an address that is known to be in one; with one range a family, nothing needs to be parsed. */
  #rangeOf(address: string): Range {
    const family = familyOf(address);
    const ranges = this.#ranges.filter((r) => r.cidr.family === family);
    return ranges.length === 1 ? ranges[0]! : ranges.find((r) => inCidr(r.cidr, address))!;
  }
}

/** How `Taking.spoken` writes an address. */
export const spokenAddress = (network: string, address: string): string => `${network} ${address}`;

/** One subnet, counted by offset from its base. Ranges wider than 2^40 are used up to there: nobody gets that far. */
class Range {
  readonly cidr: Cidr;
  readonly text: string;
  /** First and last offset that may be given. */
  readonly #first: number;
  readonly #last: number;
  /** Where the search for a free address goes on. */
  cursor: number;
  used = 0;

  constructor(cidr: Cidr) {
    this.cidr = cidr;
    this.text = cidrText(cidr);
    const free = cidr.base.length * 8 - cidr.bits;
    const size = 2 ** Math.min(40, free);
    // IPv4 keeps the first address for the network and the last for broadcast; /31 and /32 have neither (RFC 3021).
    this.#first = free < 2 ? 0 : 1;
    this.#last = cidr.family === 4 && free >= 2 ? size - 2 : size - 1;
    this.cursor = this.#first;
  }

  /** Lets the batch take back what happens to the counters. */
  note(undo: Undo): void {
    if (!undo.first(this)) return;
    const { cursor, used } = this;
    undo.push(() => Object.assign(this, { cursor, used }));
  }

  /** The next free address after the one given last, wrapping; undefined if all are used. */
  next(busy: (address: string) => boolean): string | undefined {
    const size = this.#last - this.#first + 1;
    if (this.used >= size) return undefined;
    for (let tries = 0; tries < size; tries++) {
      const address = this.#at(this.cursor);
      this.cursor = this.cursor === this.#last ? this.#first : this.cursor + 1;
      if (!busy(address)) return address;
    }
    return undefined;
  }

  reserved(address: string): boolean {
    return (
      (this.#first === 1 && address === this.#at(0)) ||
      (this.cidr.family === 4 && this.#first === 1 && address === this.#at(this.#last + 1))
    );
  }

  #at(offset: number): string {
    const { base } = this.cidr;
    let rest = offset;
    let tail = "";
    for (let i = base.length - 1; i >= 0 && rest > 0; i--) {
      const sum = base.charCodeAt(i) + (rest % 256);
      tail = String.fromCharCode(sum & 255) + tail; // the base is masked, so octets never carry
      rest = Math.floor(rest / 256);
    }
    return addressText(base.slice(0, base.length - tail.length) + tail);
  }
}

/** The first address of a range that can be somebody's: where Docker puts a gateway. */
export function firstAddress(cidr: Cidr): string | undefined {
  return new Range(cidr).next(() => false);
}

/** True for the network and broadcast address of a range, which are nobody's. */
export const isReserved = (cidr: Cidr, address: string): boolean => new Range(cidr).reserved(address);
