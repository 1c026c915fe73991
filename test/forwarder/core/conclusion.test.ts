import { expect, test } from "vitest";
import { conclusion, rcodeName } from "../../../src/forwarder/core/conclusion.ts";
import type { Flight, Try } from "../../../src/forwarder/core/flight.ts";
import { Server } from "../../../src/forwarder/core/upstream-health.ts";
import { NO_OPTIONS } from "../../../src/wire/opt.ts";

const servers = [1, 2, 3, 4, 5].map((n) => new Server(`192.0.2.${n}`, 53));

/** "1 waiting, 2 rejected 5, 1 failed ECONNREFUSED": tries in the order they were made. */
function flight(text: string, given: Partial<Flight> = {}): Flight {
  const tries = (text === "" ? [] : text.split(", ")).map((one) => {
    const [server, state, more = ""] = one.split(/ (\w+) ?(.*)/);
    return { server: servers[Number(server) - 1], state, reason: more, rcode: Number(more) || 0 } as Try;
  });
  return { tries, group: { servers, prefix: "" }, rejection: undefined, part: undefined, ...given } as Flight;
}
const at = (n: number) => `192.0.2.${n}:53`;

test.each([
  ["silence", "1 waiting, 2 waiting", 22, `${at(1)} did not answer, ${at(2)} did not answer`],
  ["in configured order", "2 waiting, 1 waiting", 22, `${at(1)} did not answer, ${at(2)} did not answer`],
  ["the last try of each", "1 waiting, 1 failed EPIPE", 22, `${at(1)}: EPIPE`],
  ["the network alone", "1 failed EPIPE, 2 failed EHOSTUNREACH", 23, `${at(1)}: EPIPE, ${at(2)}: EHOSTUNREACH`],
  ["doubts", "1 doubted, 1 waiting, 2 doubted", 22, `${at(1)} did not answer, ${at(2)}: replies that do not match`],
  ["refused", "1 rejected 5", 22, `${at(1)} answered REFUSED`],
  ["failed there", "1 rejected 2, 2 waiting", 0, `${at(1)} answered SERVFAIL, ${at(2)} did not answer`],
  ["truncated", "1 truncated", 22, `${at(1)} answered truncated`],
  ["a loop", "1 looping, 2 waiting", 0, `forwarding loop through ${at(1)}, ${at(2)} did not answer`],
  ["nobody was asked", "", 22, ""],
  [
    "four are named",
    "1 waiting, 2 waiting, 3 waiting, 4 waiting, 5 waiting",
    22,
    [1, 2, 3, 4].map((n) => `${at(n)} did not answer`).join(", "),
  ],
])("%s", (_name, text, ede, said) => {
  expect(conclusion(flight(text))).toEqual({ rcode: 2, ede, text: said, part: undefined });
});

const rejection = { octets: Uint8Array.of(1), end: 1, errors: NO_OPTIONS };

test.each([
  ["all say the same: that", "1 rejected 5, 2 rejected 5", true],
  ["in the end", "1 rejected 2, 1 rejected 5, 2 rejected 5", true],
  ["two errors", "1 rejected 5, 2 rejected 2", false],
  ["one is silent", "1 rejected 5, 2 waiting", false],
  ["the one that said it has been silent since", "1 rejected 1, 1 waiting", false],
])("an error that servers agree on is the answer: %s", (_name, text, agreed) => {
  const part = { octets: Uint8Array.of(2), end: 1, errors: NO_OPTIONS };
  const outcome = conclusion(flight(text, { rejection, part }));
  expect("octets" in outcome ? "theirs" : outcome.part === part && "ours").toBe(agreed ? "theirs" : "ours");
});

test("with our reason, if they give none", () => {
  const outcome = conclusion(flight("1 rejected 5", { rejection }));
  expect(Buffer.from((outcome as typeof rejection).errors).toString("latin1")).toBe(
    `\0\x0f\0\x1f\0\x16${at(1)} answered REFUSED`.replace(
      "\x1f",
      String.fromCharCode(2 + `${at(1)} answered REFUSED`.length),
    ),
  );
  const own = { ...rejection, errors: Uint8Array.of(0, 15, 0, 2, 0, 18) };
  expect(conclusion(flight("1 rejected 5", { rejection: own }))).toBe(own);
});

test.each([
  [1, "FORMERR"],
  [2, "SERVFAIL"],
  [4, "NOTIMP"],
  [5, "REFUSED"],
  [16, "BADVERS"],
  [9, "rcode 9"],
])("rcode %i is called %s", (rcode, name) => expect(rcodeName(rcode)).toBe(name));
