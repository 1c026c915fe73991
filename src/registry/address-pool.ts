/** The addresses of one network: who has which, and the next free one. Serial, so that an address rests before it is reused. */
import { addressBytes, addressText, type Cidr, inCidr, parseCidr } from "../model/address.ts";
import type { Network } from "../model/types.ts";
import { RegistryError } from "./error.ts";
import type { Undo } from "./undo.ts";

export class AddressPool {
  readonly #network: string;
  readonly #ranges: Range[];
  /** Address (canonical text) to its owner, as people would name it. */
  readonly #owners = new Map<string, string>();

  constructor(network: Network) {
    this.#network = network.name;
    this.#ranges = network.subnets.map((s) => new Range(parseCidr(s.cidr)!));
    for (const { gateway } of network.subnets) if (gateway !== undefined) this.#claim(gateway, "the gateway");
  }

  /** Address families of the network. */
  has(family: 4 | 6): boolean {
    return this.#ranges.some((r) => r.cidr.family === family);
  }

  /** Addresses in use beside the gateways'. */
  get owners(): ReadonlyMap<string, string> {
    return this.#owners;
  }

  /** Gives `owner` this address, or (without one) the next free one of the family. */
  take(owner: string, family: 4 | 6, address: string | undefined, undo: Undo, exhausted: string): string {
    const taken = address === undefined ? this.#next(family, exhausted) : this.#explicit(address, family, owner);
    this.#claim(taken, owner);
    undo.push(() => this.#release(taken));
    return taken;
  }

  release(address: string, undo: Undo): void {
    const owner = this.#owners.get(address);
    if (owner === undefined) return;
    this.#release(address);
    undo.push(() => this.#claim(address, owner));
  }

  #explicit(address: string, family: 4 | 6, owner: string): string {
    const bytes = addressBytes(address);
    if (bytes === undefined || (bytes.length === 4) !== (family === 4)) {
      throw new RegistryError("invalid", `${owner}: "${address}" is no IPv${family} address`);
    }
    const canonical = addressText(bytes);
    const range = this.#ranges.find((r) => inCidr(r.cidr, canonical));
    if (range === undefined) {
      const subnets = this.#ranges.map((r) => r.text).join(", ");
      throw new RegistryError(
        "invalid",
        `${owner}: ${canonical} is outside the subnets of network ${this.#network} (${subnets})`,
      );
    }
    if (range.reserved(canonical)) {
      throw new RegistryError("invalid", `${owner}: ${canonical} is the network or broadcast address of ${range.text}`);
    }
    const user = this.#owners.get(canonical);
    if (user !== undefined) {
      throw new RegistryError(
        "conflict",
        `${owner}: ${canonical} is already used by ${user} on network ${this.#network}`,
      );
    }
    return canonical;
  }

  #next(family: 4 | 6, exhausted: string): string {
    for (const range of this.#ranges) {
      const found = range.cidr.family === family ? range.next(this.#owners) : undefined;
      if (found !== undefined) return found;
    }
    throw new RegistryError("exhausted", `${exhausted} (network ${this.#network}, IPv${family})`);
  }

  #claim(address: string, owner: string): void {
    this.#owners.set(address, owner);
    this.#rangeOf(address).used++;
  }

  #release(address: string): void {
    if (this.#owners.delete(address)) this.#rangeOf(address).used--;
  }

  /** The range of an address that is known to be in one; with one range a family, nothing needs to be parsed. */
  #rangeOf(address: string): Range {
    const family = address.includes(":") ? 6 : 4;
    const ranges = this.#ranges.filter((r) => r.cidr.family === family);
    return ranges.length === 1 ? ranges[0]! : ranges.find((r) => inCidr(r.cidr, address))!;
  }
}

/** One subnet, counted by offset from its base. Ranges wider than 2^40 are used up to there: nobody gets that far. */
class Range {
  readonly cidr: Cidr;
  readonly text: string;
  /** First and last offset that may be given. */
  readonly #first: number;
  readonly #last: number;
  #cursor: number;
  used = 0;

  constructor(cidr: Cidr) {
    this.cidr = cidr;
    this.text = `${addressText(cidr.base)}/${cidr.bits}`;
    const free = cidr.base.length * 8 - cidr.bits;
    const size = 2 ** Math.min(40, free);
    // IPv4 keeps the first address for the network and the last for broadcast; /31 and /32 have neither (RFC 3021).
    this.#first = free < 2 ? 0 : 1;
    this.#last = cidr.family === 4 && free >= 2 ? size - 2 : size - 1;
    this.#cursor = this.#first;
  }

  /** The next free address after the one given last, wrapping; undefined if all are used. */
  next(owners: ReadonlyMap<string, string>): string | undefined {
    const size = this.#last - this.#first + 1;
    if (this.used >= size) return undefined;
    for (let tries = 0; tries < size; tries++) {
      const address = this.#at(this.#cursor);
      this.#cursor = this.#cursor === this.#last ? this.#first : this.#cursor + 1;
      if (!owners.has(address)) return address;
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
  return new Range(cidr).next(new Map());
}
