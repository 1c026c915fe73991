/** A question as a sandbox would ask it, and the answer as people read it: records as zone files have them. */
import { nameProblem } from "../model/name.ts";
import { brief } from "../model/quote.ts";
import { queryPacket, typeNumbers } from "../server/object-edge.ts";
import type { Controlled } from "./controlled.ts";
import { Problem } from "./problem.ts";

const RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
const FLAGS = ["aa", "tc", "rd", "ra"] as const;

export async function ask(
  node: Pick<Controlled, "answer">,
  sandbox: string,
  { name, type }: { readonly name: string; readonly type: string },
): Promise<object> {
  const wrong = name === "." ? undefined : nameProblem(name);
  if (wrong !== undefined) throw new Problem("invalid", `name "${brief(name)}" ${wrong}`);
  const asked = typeOf(type);
  const started = performance.now();
  const reply = await node.answer(queryPacket(name, asked), sandbox);
  const { header, answers } = reply;
  const flags = FLAGS.filter((flag) => (header as unknown as Record<string, number>)[flag] === 1);
  return {
    status: RCODES[header.rcode] ?? `rcode ${header.rcode}`,
    flags,
    answer: answers.map(recordText),
    ms: Math.round((performance.now() - started) * 1_000) / 1_000,
    ...(flags.includes("aa") && { from: "here" }),
  };
}

/** As dns2 has it, or by number (RFC 3597). Throws a Problem. */
function typeOf(type: string): string {
  const upper = type.toUpperCase();
  const number = Number(/^(?:TYPE)?(\d{1,5})$/.exec(upper)?.[1] ?? MORE[upper]);
  if (Object.hasOwn(typeNumbers, upper)) return upper;
  if (number > 0 && number < 65_536) return `TYPE${number}`;
  const known = [...Object.keys(typeNumbers), ...Object.keys(MORE)].join(", ");
  throw new Problem(
    "invalid",
    `type "${brief(type)}" is none that is known here: ${known}; any is TYPE and its number`,
  );
}

/** Those that people ask for, and dns2 does not know. */
const MORE: Readonly<Record<string, number>> = { DS: 43, SVCB: 64, HTTPS: 65 };

function recordText(record: object): string {
  const { name, ttl, type, class: _, ...data } = record as Record<string, unknown>;
  const called = Object.keys(typeNumbers).find((known) => typeNumbers[known] === type) ?? `TYPE${type}`;
  return `${name}. ${ttl} IN ${called} ${rdata(called, data)}`;
}

function rdata(type: string, data: Readonly<Record<string, unknown>>): string {
  switch (type) {
    case "A":
    case "AAAA":
      return String(data["address"]);
    case "CNAME":
    case "PTR":
      return `${data["domain"]}.`;
    case "NS":
      return `${data["ns"]}.`;
    case "SRV":
      return `${data["priority"]} ${data["weight"]} ${data["port"]} ${data["target"]}.`;
    case "MX":
      return `${data["priority"]} ${data["exchange"]}.`;
    case "TXT":
    case "SPF":
      return [data["data"]]
        .flat()
        .map((text) => JSON.stringify(String(text)))
        .join(" ");
    default: {
      const words = Object.values(data).map((value) =>
        Buffer.isBuffer(value) ? value.toString("hex") : String(value),
      );
      return words.join(" ");
    }
  }
}
