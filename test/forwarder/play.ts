/**
 * Plays a scenario against the forwarder's core: a fake network, a clock that only `time` moves, and text for everything that
 * is sent. Every packet and every reply must be expected by a line, else the scenario fails.
 */
import { createForwarderCore } from "../../src/forwarder/core.ts";
import type { ForwarderCore, ForwarderOptions } from "../../src/forwarder/core-options.ts";
import type { ForwardFailure } from "../../src/forwarder/types.ts";
import { nameKey } from "../../src/model/name.ts";
import type { Upstream } from "../../src/model/types.ts";
import { query, RCODES, told, typeNumber, wireName } from "../support/packets.ts";

interface Sent {
  lane: number;
  packet: Buffer;
}

interface Server {
  address: string;
  sent: Sent[];
  got: Sent[];
  lanes: number[];
}

interface Asked {
  packet: Buffer;
  replies: (Uint8Array | ForwardFailure)[];
}

export function play(lines: readonly string[]): void {
  const world = new World();
  lines.forEach((line, i) => {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) return;
    try {
      world.step(text);
    } catch (error) {
      throw new Error(`line ${i + 1}: ${text}\n${(error as Error).message}`);
    }
  });
  world.finish();
}

class World {
  #now = 1000;
  #options: ForwarderOptions = {};
  #core: ForwarderCore | undefined;
  #seed = 7;
  readonly #servers: Server[] = [];
  readonly #lists = new Map<string, Upstream[]>();
  readonly #lanes = new Map<number, { server: Server; kind: string }>();
  readonly #clients = new Map<string, Asked>();

  get #forwarder(): ForwarderCore {
    this.#core ??= createForwarderCore({
      now: () => this.#now,
      random: () => (this.#seed = (this.#seed * 25173 + 13849) & 0xffff),
      options: this.#options,
      exchange: {
        open: (lane, kind, address, port) => {
          if (port !== 53) throw new Error(`port ${port}`);
          const server = this.#servers.find((s) => s.address === address)!;
          server.lanes.push(lane);
          this.#lanes.set(lane, { server, kind });
        },
        send: (lane, packet) => {
          const open = this.#lanes.get(lane);
          if (open === undefined) throw new Error(`sent on closed lane ${lane}`);
          open.server.sent.push({ lane, packet: Buffer.from(packet) });
        },
        close: (lane) => {
          if (!this.#lanes.delete(lane)) throw new Error(`closed lane ${lane} twice`);
        },
      },
    });
    return this.#core;
  }

  step(text: string): void {
    const [subject = "", verb = "", ...rest] = text.split(/\s+/);
    if (subject === "option") this.#options = { ...this.#options, ...(JSON.parse(text.slice(7)) as ForwarderOptions) };
    else if (subject === "upstreams") this.#list(verb, rest);
    else if (subject === "time") this.#advance(Number(/^\+(\d+)ms$/.exec(verb)![1]));
    else if (subject === "client" && verb === "asks") this.#ask(rest);
    else if (subject === "client" && rest[0] === "sees") this.#sees(verb, rest.slice(1).join(" "));
    else if (subject === "upstream") this.#upstream(this.#servers[Number(verb) - 1]!, rest);
    else if (subject === "counters") this.#counters([verb, ...rest]);
    else if (subject === "nothing") this.#silence();
    else if (subject === "close") this.#forwarder.close();
    else if (subject === "sockets") same(`${this.#lanes.size}`, verb);
    else throw new Error("no such line");
  }

  finish(): void {
    this.#silence();
    for (const [id, { replies }] of this.#clients) {
      if (replies.length > 0) throw new Error(`client ${id} saw more: ${this.#show(id, replies[0]!)}`);
    }
    if (this.#core === undefined) return;
    this.#advance(20_000); // whatever is still out ends by itself, and every socket with it
    const left = `${this.#forwarder.inFlight} in flight, ${this.#lanes.size} sockets, ${this.#forwarder.nextDeadline()}`;
    same(left, "0 in flight, 0 sockets, Infinity");
  }

  /** `upstreams main 192.0.2.1 192.0.2.2/corp.example`: a list; the first one is the default. */
  #list(name: string, members: readonly string[]): void {
    const list = members.map((member) => {
      const [address = "", domain] = member.split("/");
      if (!this.#servers.some((s) => s.address === address))
        this.#servers.push({ address, sent: [], got: [], lanes: [] });
      return { address, port: 53, ...(domain !== undefined && { domains: [domain] }) };
    });
    this.#lists.set(name, list);
  }

  #advance(ms: number): void {
    const until = this.#now + ms;
    for (let rings = 0; this.#forwarder.nextDeadline() <= until; rings++) {
      if (rings > 10_000) throw new Error("the clock does not get on");
      this.#now = Math.max(this.#now, this.#forwarder.nextDeadline());
      this.#forwarder.tick();
    }
    this.#now = until;
  }

  /** `client asks example.com A id=1 edns do cd ad nord cookie subnet via=list from=192.0.2.9` */
  #ask([name = "", type = "", ...rest]: readonly string[]): void {
    const word = (key: string) => rest.find((r) => r.startsWith(`${key}=`))?.slice(key.length + 1);
    const has = (key: string) => rest.includes(key);
    const id = word("id")!;
    const edns = has("edns") || has("do") || has("cookie") || has("subnet");
    const packet = query(`${name} ${type}`, {
      id: Number(id),
      rd: !has("nord"),
      cd: has("cd"),
      ad: has("ad"),
      do: has("do"),
      ...(edns && { edns: Number(word("size") ?? 1232) }),
      ...(has("cookie") && { options: Buffer.from("000a00080102030405060708", "hex") }),
      ...(has("subnet") && { options: Buffer.from("0008000700011800c00002", "hex") }),
    });
    this.#forward(id, packet, word("via"), word("from") ?? "127.0.0.1", nameKey(name), name);
  }

  #forward(id: string, packet: Buffer, via: string | undefined, from: string, key: string, name: string): void {
    const asked: Asked = { packet: Buffer.from(packet), replies: [] };
    this.#clients.set(id, asked);
    const questionEnd = 12 + wireName(name).length + 4;
    const question = key + packet.toString("latin1", questionEnd - 4, questionEnd);
    const upstreams = via === undefined ? [...this.#lists.values()][0] : this.#lists.get(via);
    const request = {
      packet,
      questionEnd,
      question,
      edns: packet.length > questionEnd,
      upstreams: upstreams ?? [],
      from,
    };
    this.#forwarder.forward(request, (outcome) => asked.replies.push(outcome));
    if (packet.compare(asked.packet) !== 0) throw new Error("the client's query was changed");
  }

  #sees(id: string, expected: string): void {
    const asked = this.#clients.get(id);
    if (asked === undefined) throw new Error(`client ${id} has asked nothing`);
    const reply = asked.replies.shift();
    same(reply === undefined ? "nothing" : this.#show(id, reply), expected);
  }

  #show(id: string, reply: Uint8Array | ForwardFailure): string {
    if (!(reply instanceof Uint8Array)) return `${RCODES[reply.rcode]} ede=${reply.ede} ${reply.text}`;
    const { packet } = this.#clients.get(id)!;
    const end = packet.indexOf(0, 12) + 5;
    const mine = Buffer.from(reply);
    same(mine.toString("latin1", 0, 2), packet.toString("latin1", 0, 2));
    same(mine.toString("latin1", 12, end), packet.toString("latin1", 12, end));
    const seen = told(mine);
    const flags = seen.flags.split(" ").filter((f) => f === "tc" || f === "aa" || f === "cd");
    const records = seen.order.map((r) => r.split(" "));
    const soa = seen.authority.map((r) => r.split(" ")).filter((r) => r[2] === "SOA");
    const ttls = [...new Set(records.map((r) => r[1]))];
    return [
      seen.rcode,
      ...flags,
      ...records.map((r) => r.slice(3).join(" ")),
      ...(ttls.length > 0 ? [`ttl=${ttls.join("/")}`] : []),
      ...soa.map((r) => `soa=${r[1]}`),
      ...(seen.edns === undefined ? [] : ["opt", ...seen.edns.split(" ").filter((w) => w.startsWith("ede="))]),
    ].join(" ");
  }

  #upstream(server: Server, [verb = "", ...rest]: readonly string[]): void {
    if (verb === "gets") {
      const sent = server.sent.shift();
      same(sent === undefined ? "nothing" : this.#describe(sent), rest.join(" "));
      server.got.push(sent!);
    } else if (verb === "says") {
      this.#says(server, rest);
    } else if (verb === "drops") {
      server.got.shift();
    } else if (verb === "fails") {
      const sent = server.got.at(-1)!;
      if (this.#lanes.get(sent.lane)?.kind === "tcp") server.got.pop();
      this.#fails(sent.lane, rest.join(" "));
    } else if (verb === "hangs") {
      this.#fails(server.lanes.findLast((l) => this.#lanes.get(l)?.kind === "tcp")!, "connection closed"); // hangs up
    } else if (verb === "returns") {
      this.#returns(server, rest);
    } else {
      throw new Error("no such verb");
    }
  }

  #fails(lane: number, reason: string): void {
    const tcp = this.#lanes.get(lane)?.kind === "tcp";
    this.#forwarder.failed(lane, reason);
    if (tcp && this.#lanes.has(lane)) throw new Error("a broken TCP lane stayed open");
  }

  /** The query as it was received comes in as a client's: a loop. `upstream 1 returns example.com id=x from=…` */
  #returns(server: Server, [name = "", ...rest]: readonly string[]): void {
    const { packet } = server.got.at(-1)!;
    const word = (key: string) => rest.find((r) => r.startsWith(`${key}=`))?.slice(key.length + 1);
    this.#forward(word("as")!, Buffer.from(packet), word("via"), word("from") ?? "127.0.0.1", nameKey(name), name);
  }

  #describe({ packet, lane }: Sent): string {
    const seen = told(packet);
    const flags = seen.flags.split(" ").filter((f) => f === "cd" || f === "ad");
    const edns = seen.edns === undefined ? [] : [seen.edns.includes(" do") ? "do" : "edns"];
    return [seen.question, ...flags, ...edns, ...(this.#lanes.get(lane)?.kind === "tcp" ? ["tcp"] : [])].join(" ");
  }

  /**
   * `upstream 1 says example.com 60 A 192.0.2.1, example.com 30 A 192.0.2.2` answers the oldest query it got and has not
   * answered; words in brackets change the reply: [NXDOMAIN soa=300/60 tc aa opt], [wrong-id], [wrong-name], [wrong-type],
   * [other-socket], [a-query], [cut], [short]; those that make it useless leave the query open. [twice] sends it twice.
   */
  #says(server: Server, words: readonly string[]): void {
    const text = words.join(" ");
    const [, inside = "", outside = ""] = /^(?:\[(.*?)\])?\s*(.*)$/.exec(text)!;
    const how = inside.split(" ");
    const useless = ["wrong-id", "wrong-name", "wrong-type", "other-socket", "a-query", "cut", "short"].some((w) =>
      how.includes(w),
    );
    const sent = useless ? server.got[0]! : server.got.shift()!;
    const packet = replyTo(sent.packet, how, outside);
    if (how.includes("wrong-id")) packet[1]! ^= 1;
    if (how.includes("wrong-name")) packet[13]! ^= 3;
    if (how.includes("wrong-type")) packet[packet.indexOf(0, 12) + 2]! ^= 3;
    if (how.includes("a-query")) packet[2]! &= 0x7f;
    const other = [...this.#lanes.keys()].find((l) => l !== sent.lane);
    const lane = how.includes("other-socket") ? (other ?? 999_999) : sent.lane;
    const cut = how.includes("cut") ? packet.length - 2 : how.includes("short") ? 7 : packet.length;
    const copies = [packet, ...(how.includes("twice") ? [Buffer.from(packet)] : [])];
    for (const copy of copies) this.#forwarder.received(lane, copy.subarray(0, cut));
  }

  #counters(expected: readonly string[]): void {
    const counters = this.#forwarder.counters as unknown as Record<string, number>;
    for (const pair of expected) same(`${pair.split("=")[0]}=${counters[pair.split("=")[0]!]}`, pair);
  }

  #silence(): void {
    this.#servers.forEach((server, i) => {
      const [sent] = server.sent;
      if (sent !== undefined) throw new Error(`upstream ${i + 1} got more: ${this.#describe(sent)}`);
    });
  }
}

function replyTo(query: Buffer, how: readonly string[], records: string): Buffer {
  const end = query.indexOf(0, 12) + 5;
  const head = Buffer.from(query.subarray(0, end));
  const rcode = Math.max(
    0,
    RCODES.findIndex((r) => how.includes(r)),
  );
  head[2] = 0x80 | (query[2]! & 1) | (how.includes("tc") ? 2 : 0) | (how.includes("aa") ? 4 : 0);
  head[3] = 0x80 | (query[3]! & 0x10) | rcode;
  const answers = records
    .split(",")
    .map((r) => r.trim())
    .filter((r) => r !== "");
  const soa = how
    .find((w) => w.startsWith("soa="))
    ?.slice(4)
    .split("/")
    .map(Number);
  const opt = how.includes("opt");
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt16BE(soa === undefined ? 0 : 1, 8);
  head.writeUInt16BE(opt ? 1 : 0, 10);
  const authority = soa === undefined ? [] : [record("example.com", soa[0]!, 6, soaData(soa[1]!))];
  const tail = opt ? [Buffer.from("00002904d0000000000000", "hex")] : [];
  return Buffer.concat([head, ...answers.map(answer), ...authority, ...tail]);
}

function answer(text: string): Buffer {
  const [owner = "", ttl = "", type = "", data = ""] = text.split(" ");
  const rdata = type === "A" ? Buffer.from(data.split(".").map(Number)) : wireName(data);
  return record(owner, Number(ttl), typeNumber(type), rdata);
}

function record(owner: string, ttl: number, type: number, rdata: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(rdata.length, 8);
  return Buffer.concat([wireName(owner), fixed, rdata]);
}

function soaData(minimum: number): Buffer {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(minimum, 16);
  return Buffer.concat([wireName("ns.example.com"), wireName("root.example.com"), numbers]);
}

function same(actual: string, expected: string): void {
  if (actual !== expected) throw new Error(`  expected: ${expected}\n  but was:  ${actual}`);
}
