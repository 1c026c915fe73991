/**
 * Plays a scenario against the forwarder's core: a fake network, a clock that only `time` moves, and text for everything that
 * is sent. Every packet and every reply must be expected by a line, else the scenario fails.
 */
import { createForwarderCore } from "../../../src/forwarder/core/core.ts";
import type { ForwarderCore, ForwarderOptions } from "../../../src/forwarder/core/options.ts";
import { type ForwardFailure, STREAM } from "../../../src/forwarder/core/types.ts";
import type { Upstream } from "../../../src/model/types.ts";
import { query, RCODES, told, typeNumber, wireName } from "../../support/packets.ts";

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
  #health: string[] = [];

  get #forwarder(): ForwarderCore {
    this.#core ??= createForwarderCore({
      now: () => this.#now,
      random: () => (this.#seed = (this.#seed * 25173 + 13849) & 0xffff),
      options: this.#options,
      onHealth: ({ address }, up) =>
        this.#health.push(`${this.#servers.findIndex((s) => s.address === address) + 1} ${up ? "up" : "down"}`),
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
    else if (subject === "repeat") this.#repeat(Number(verb), rest.join(" "));
    else if (subject === "close") this.#forwarder.close();
    else if (subject === "sockets") same(`${this.#lanes.size}`, verb);
    else if (subject === "health") same(this.#health.splice(0).join(", ") || "nothing", text.slice(7));
    else if (subject === "servers") same([...this.#forwarder.servers].map((s) => s.name).join(" "), text.slice(8));
    else throw new Error("no such line");
  }

  /** `repeat 100 client asks n%.example.com A id=a%`: a line as often, % being 1, 2, 3 … */
  #repeat(times: number, text: string): void {
    for (let i = 1; i <= times; i++) this.step(text.replaceAll("%", String(i)));
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

  /** `client asks example.com A id=1 edns size=4096 do cd ad nord cookie subnet tcp via=list from=192.0.2.9 by=sandbox` */
  #ask([name = "", type = "", ...rest]: readonly string[]): void {
    const word = (key: string) => rest.find((r) => r.startsWith(`${key}=`))?.slice(key.length + 1);
    const has = (key: string) => rest.includes(key);
    const id = word("id")!;
    const edns = has("edns") || has("do") || has("cookie") || has("subnet");
    const packet = query(`${name} ${type}`, {
      id: Number.parseInt(id, 36) & 0xffff,
      rd: !has("nord"),
      cd: has("cd"),
      ad: has("ad"),
      do: has("do"),
      ...(edns && { edns: Number(word("size") ?? 1232) }),
      ...(has("cookie") && { options: Buffer.from("000a00080102030405060708", "hex") }),
      ...(has("subnet") && { options: Buffer.from("0008000700011800c00002", "hex") }),
    });
    this.#forward(id, packet, rest);
  }

  #forward(id: string, packet: Buffer, words: readonly string[]): void {
    const word = (key: string) => words.find((r) => r.startsWith(`${key}=`))?.slice(key.length + 1);
    const asked: Asked = { packet: Buffer.from(packet), replies: [] };
    this.#clients.set(id, asked);
    const nameEnd = packet.indexOf(0, 12) + 1;
    const questionEnd = nameEnd + 4;
    const edns = packet.length > questionEnd;
    const via = word("via");
    const request = {
      packet,
      questionEnd,
      question:
        packet.toString("latin1", 12, nameEnd - 1).toLowerCase() + packet.toString("latin1", nameEnd, questionEnd),
      edns,
      dnssecOk: edns && (packet[questionEnd + 7]! & 0x80) !== 0,
      limit: words.includes("tcp") ? STREAM : edns ? packet.readUInt16BE(questionEnd + 3) : 512,
      upstreams: (via === undefined ? [...this.#lists.values()][0] : this.#lists.get(via)) ?? [],
      from: word("from") ?? "127.0.0.1",
      asker: word("by") ?? "box",
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

  /** The query as it was received comes in as a client's: a loop, or what looks like one. `upstream 1 returns as=x from=…` */
  #returns(server: Server, words: readonly string[]): void {
    const { packet } = server.got.at(-1)!;
    this.#forward(words.find((w) => w.startsWith("as="))!.slice(3), Buffer.from(packet), words);
  }

  /** What is usual is left out: our spelling, our OPT. A probe's label is shown as "probe". */
  #describe({ packet, lane }: Sent): string {
    const seen = told(packet);
    const question = seen.question.replace(/^\S+/, (name) => name.toLowerCase().replace(/^[0-9a-f]{32}\./, "probe."));
    const flags = seen.flags.split(" ").filter((f) => f === "cd" || f === "ad");
    const edns = seen.edns === undefined ? ["plain"] : seen.edns.split(" ").filter((w) => !USUAL.has(w));
    return [question, ...flags, ...edns, ...(this.#lanes.get(lane)?.kind === "tcp" ? ["tcp"] : [])].join(" ");
  }

  /**
   * `upstream 1 says example.com 60 A 192.0.2.1, example.com 30 A 192.0.2.2` answers the oldest query it got and has not
   * answered; words in brackets change the reply: [NXDOMAIN soa=300/60 tc aa opt], [wrong-id], [wrong-name], [wrong-type],
   * [other-socket], [a-query], [cut], [short]; those that make it useless leave the query open. [bare] has no question, [lower]
   * a name in lower case, [broken] half a record, [ede=18] an OPT with that error, [badvers] one with BADVERS. [twice] sends it twice, [open] leaves the query open.
   */
  #says(server: Server, words: readonly string[]): void {
    const text = words.join(" ");
    const [, inside = "", outside = ""] = /^(?:\[(.*?)\])?\s*(.*)$/.exec(text)!;
    const how = inside.split(" ");
    const useless = ["open", "wrong-id", "wrong-name", "wrong-type", "other-socket", "a-query", "cut", "short"].some(
      (w) => how.includes(w),
    );
    const sent = useless ? server.got[0]! : server.got.shift()!;
    const packet = replyTo(sent.packet, how, outside);
    if (how.includes("wrong-id")) packet[1]! ^= 1;
    if (how.includes("wrong-name")) packet[13]! ^= 3;
    if (how.includes("wrong-type")) packet[packet.indexOf(0, 12) + 2]! ^= 3;
    if (how.includes("lower"))
      for (let i = 12; packet[i]! > 0; i++) if (packet[i]! >= 65 && packet[i]! <= 90) packet[i]! |= 32;
    if (how.includes("a-query")) packet[2]! &= 0x7f;
    const other = [...this.#lanes.keys()].find((l) => l !== sent.lane);
    const lane = how.includes("other-socket") ? (other ?? 999_999) : sent.lane;
    const cut = how.includes("cut")
      ? packet.length - 2
      : how.includes("short")
        ? 7
        : how.includes("broken")
          ? packet.length - 3
          : packet.length;
    if (how.includes("bare")) packet.fill(0, 4, 12);
    const copies = [
      how.includes("bare") ? packet.subarray(0, 12) : packet,
      ...(how.includes("twice") ? [Buffer.from(packet)] : []),
    ];
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
  const ede = how.find((w) => w.startsWith("ede="))?.slice(4);
  const badvers = how.includes("badvers");
  const opt = how.includes("opt") || badvers || ede !== undefined;
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt16BE(soa === undefined ? 0 : 1, 8);
  head.writeUInt16BE(opt ? 1 : 0, 10);
  const authority = soa === undefined ? [] : [record("example.com", soa[0]!, 6, soaData(soa[1]!))];
  const option = ede === undefined ? [] : [0, 15, 0, 2, 0, Number(ede)];
  const tail = opt ? [Buffer.from([0, 0, 41, 4, 208, badvers ? 1 : 0, 0, 0, 0, 0, option.length, ...option])] : [];
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

const USUAL = new Set(["version=0", "size=1232"]);

function same(actual: string, expected: string): void {
  if (actual !== expected) throw new Error(`  expected: ${expected}\n  but was:  ${actual}`);
}
