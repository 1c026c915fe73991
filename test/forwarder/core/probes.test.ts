/** Loop probes: names that nobody can guess, and what makes us send one. */
import { describe, expect, test } from "vitest";
import type { Flight, Try } from "../../../src/forwarder/core/flight.ts";
import { looksLikeOurs, Probes } from "../../../src/forwarder/core/probes.ts";
import type { ForwardRequest } from "../../../src/forwarder/core/types.ts";
import { hex } from "../../support/text.ts";

const OPT = "00 0029 04d0 00 00 0000 0000";
const HEAD = "0000 0100 0001 0000 0000 0001";
const query = hex(`${HEAD} 04 70656572 00 0001 0001 ${OPT}`);
const attempt = (): Try =>
  ({ flight: {}, query, questionEnd: 22, server: { name: "s" }, sentAt: 5, plain: true, probe: "" }) as unknown as Try;
const below = (label: string) => `\x20${label}\x04peer\0\x01\0\x01`;

describe("a probe", () => {
  const DIGITS = "0001beef".repeat(4);
  function world() {
    let drawn = 0;
    const probes = new Probes(() => (drawn++ % 2 === 0 ? 1 : 0xbeef));
    const waiting = attempt();
    const sent = probes.begin(waiting, 70);
    return { probes, waiting, sent };
  }

  test("asks for a name of 128 random bits below the one in question", () => {
    const { waiting, sent } = world();
    const label = Buffer.from(DIGITS, "latin1").toString("hex");
    expect(Buffer.from(sent.query)).toEqual(hex(`${HEAD} 20${label} 04 70656572 00 0001 0001 ${OPT}`));
    expect(waiting.probe).toBe(DIGITS);
  });

  test("is a try of its own: nobody waits for its answer, and it is probed for nothing", () => {
    const { sent, waiting } = world();
    expect(sent).toMatchObject({ flight: undefined, questionEnd: 22 + 33, sentAt: 70, probe: "", plain: true });
    expect([sent.server, waiting.sentAt]).toEqual([waiting.server, 5]);
  });

  test.each([
    ["that comes back is met", below(DIGITS), true],
    ["in another's name is met all the same", `\x20${DIGITS}\x03com\0\x01\0\x01`, true],
    ["that is none", below("0".repeat(32)), false],
    ["with a digit more is none", `\x21${DIGITS}0\x04peer\0\x01\0\x01`, false],
    ["is not the question it is below of", "\x04peer\0\x01\0\x01", false],
  ])("%s", (_name, question, met) => {
    const { probes, waiting } = world();
    expect(probes.met(question)).toBe(met ? waiting : undefined);
    expect(new Probes(() => 0).met(question)).toBeUndefined();
  });

  test("ends with its try; another's ends nothing", () => {
    const { probes, waiting } = world();
    probes.end(attempt());
    expect(probes.met(below(DIGITS))).toBe(waiting);
    probes.end(waiting);
    expect(probes.met(below(DIGITS))).toBeUndefined();
  });
});

describe("a question that is in flight may be our own, come back", () => {
  const asked = (name: string, from = "203.0.113.5"): ForwardRequest => ({
    packet: hex(`4321 0100 0001 0000 0000 0000 ${name} 0001 0001`),
    questionEnd: 22,
    question: "",
    edns: false,
    dnssecOk: false,
    limit: 512,
    upstreams: [],
    from,
    asker: "",
  });
  const SPELLED = "04 50654572 00";
  const PLAIN = "04 70656572 00";
  test.each<[string, string, ForwardRequest, boolean]>([
    ["spelled as we did", PLAIN, asked(SPELLED), true],
    ["spelled otherwise", PLAIN, asked(PLAIN), false],
    ["spelled as we did, as its first client had by chance", SPELLED, asked(SPELLED), false],
    ["from a server that is asked", PLAIN, asked(PLAIN, "192.0.2.2"), true],
    ["from who is none", PLAIN, asked(PLAIN, "192.0.2.3"), false],
  ])("%s", (_name, first, request, expected) => {
    const servers = ["192.0.2.1", "192.0.2.2"].map((address) => ({ address }));
    const ours = hex(`0000 0100 0001 0000 0000 0001 ${SPELLED} 0001 0001 ${OPT}`);
    const flight = { query: ours, request: asked(first), group: { servers } } as unknown as Flight;
    expect(looksLikeOurs(flight, request)).toBe(expected);
  });
});
