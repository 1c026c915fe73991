/** What the ipvs backend changes in its table of nf_tables, as nft would be told it, and what it makes of one that was left half done. Pure. */
import { describe, expect, test } from "vitest";
import { changesOf } from "../../../src/lb-programmer/backends/inet-table/changes.ts";
import { NOTHING, otherElements } from "../../../src/lb-programmer/backends/inet-table/parts.ts";
import { understand } from "../../../src/lb-programmer/backends/inet-table/understand.ts";
import { type Balanced, balancedBy } from "../../../src/lb-programmer/backends/ipvs/balanced.ts";
import { MARKS } from "../../../src/lb-programmer/backends/ipvs/table/parts.ts";
import { changeText } from "../../../src/os/nftables/text.ts";
import { EVERY, readBack, serverOf, tableOf, transactions } from "../../support/nftables-table.ts";
import { parseState, stateText } from "../state-text.ts";

const WEB = "server web/mynet/4 10.0.1.4 mark 256 local rr";
const MESH = "server pub/mesh/4/local 10.0.0.3 mark 300 published tcp/8080,udp/5000-5999 rr keep-source";

/** What stands before, what comes after, and the transaction between. */
const STEPS: readonly (readonly [string, string | undefined, string | undefined, string])[] = [
  [
    "a new service",
    undefined,
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1`,
    `add element inet eleven servers4 { 256 comment "rr 0 ml web/mynet/4" : 10.0.1.4 }
     add element inet eleven marked-local4 { 10.0.1.4 : 256 }
     add element inet eleven masqueraded4 { 256 }
     add element inet eleven vips4 { 10.0.1.4 }`,
  ],
  [
    "one task more is IPVS' business",
    `${WEB}
       10.0.1.5 1`,
    `${WEB}
       10.0.1.5 1
       10.0.1.6 1`,
    "",
  ],
  [
    "scheduler and affinity, too",
    `${WEB}
       10.0.1.5 1`,
    `${WEB.replace("rr", "wlc affinity 60")}
       10.0.1.5 1`,
    "",
  ],
  [
    "the last task drains: what begins is refused",
    `${WEB}
       10.0.1.5 1`,
    `${WEB}
       10.0.1.5 0`,
    "add element inet eleven idle4 { 256 }",
  ],
  [
    "there is another",
    `${WEB}
       10.0.1.5 0`,
    `${WEB}
       10.0.1.5 0
       10.0.1.6 1`,
    "delete element inet eleven idle4 { 256 }",
  ],
  [
    "80 is the only port that is declared: all others have a mark that IPVS does not know",
    `${WEB}
       10.0.1.5 1`,
    `${WEB} only tcp/80
       10.0.1.5 1`,
    `add element inet eleven marked-local-ports4 { 10.0.1.4 . tcp . 80 : 256 }
     then
     delete element inet eleven servers4 { 256 }
     delete element inet eleven marked-local4 { 10.0.1.4 }
     add element inet eleven servers4 { 256 comment "rr 0 mlo web/mynet/4" : 10.0.1.4 }
     add element inet eleven marked-local4 { 10.0.1.4 : 2147483904 }
     add element inet eleven undeclared4 { 2147483904 }`,
  ],
  [
    "no declared ports any more: who has just found the VIP's old mark finds the port still",
    `${WEB} only tcp/80
       10.0.1.5 1`,
    `${WEB}
       10.0.1.5 1`,
    `delete element inet eleven servers4 { 256 }
     delete element inet eleven marked-local4 { 10.0.1.4 }
     delete element inet eleven undeclared4 { 2147483904 }
     add element inet eleven servers4 { 256 comment "rr 0 ml web/mynet/4" : 10.0.1.4 }
     add element inet eleven marked-local4 { 10.0.1.4 : 256 }
     then
     delete element inet eleven marked-local-ports4 { 10.0.1.4 . tcp . 80 }`,
  ],
  [
    "it is gone",
    `${WEB}
       10.0.1.5 0`,
    undefined,
    `delete element inet eleven servers4 { 256 }
     delete element inet eleven marked-local4 { 10.0.1.4 }
     delete element inet eleven masqueraded4 { 256 }
     delete element inet eleven idle4 { 256 }
     delete element inet eleven vips4 { 10.0.1.4 }`,
  ],
  [
    "for connections that arrive",
    undefined,
    `${WEB.replace("local", "arriving")}
       10.0.1.5 1`,
    `add element inet eleven servers4 { 256 comment "rr 0 ma web/mynet/4" : 10.0.1.4 }
     add element inet eleven marked-arriving4 { 10.0.1.4 : 256 }
     add element inet eleven masqueraded4 { 256 }`,
  ],
  [
    "ports that keep the client's address, on a VIP that others have",
    undefined,
    `${MESH}
       10.0.0.5 1`,
    `add element inet eleven servers4 { 300 comment "rr 0 mpk pub/mesh/4/local" : 10.0.0.3 }
     add element inet eleven marked-ports4 { tcp . 8080 : 300 }
     add element inet eleven marked-kept-ports4 { 10.0.0.3 . tcp . 8080 : 300, 10.0.0.3 . udp . 5000-5999 : 300 }
     add element inet eleven marked-port-ranges4 { udp . 5000-5999 : 300 }`,
  ],
];

describe("ipvs, nf_tables: transactions", () => {
  test.each(STEPS)("%s", (_, before, after, text) => {
    const old = before === undefined ? undefined : MARKS.step(undefined, serverOf(before)).installed;
    const step = MARKS.step(old, after === undefined ? undefined : serverOf(after));
    const changes = changesOf(MARKS.skeleton, [step], EVERY);
    expect(changes.map((one) => one.map((change) => changeText("eleven", change)))).toEqual(transactions(text));
  });
});

describe("ipvs, nf_tables: what is read", () => {
  const written = `${WEB} affinity 60
      10.0.1.5 1
    address 10.0.1.4 lo`;
  const service = { mark: 256, family: 4, scheduler: "rr", affinity: 60 } as const;
  const task = { address: "10.0.1.5", port: 0, weight: 1, forwarding: "masquerade" } as const;

  /** The table of that state, and what IPVS has beside it; "damaged" if it has to be written anew. */
  function read({
    services = [service],
    tasks = [task],
  }: {
    services?: Balanced["services"];
    tasks?: (typeof task)[];
  }) {
    const table = readBack(tableOf(parseState(written), MARKS))!;
    const found = understand(MARKS, table, 1000, balancedBy({ services, destinations: new Map([[256, tasks]]) }));
    return found === undefined ? "damaged" : stateText(found.state);
  }

  test.each([
    ["all as it was written", {}, stateText(parseState(written))],
    ["no service: it is made", { services: [] }, /^server web.* affinity -1$/m],
    ["somebody's service", { services: [{ ...service, scheduler: "sed" }] }, "damaged"],
    ["somebody's scheduler", { services: [{ ...service, scheduler: "wlc" }] }, /^server web.* wlc affinity 60$/m],
    ["its tasks were not made yet: it is not whole", { tasks: [] }, /^server web.* affinity -1$/m],
    ["a weight", { tasks: [{ ...task, weight: 7 }] }, /10\.0\.1\.5 7/],
    ["a destination with a port of its own", { tasks: [{ ...task, port: 80 }] }, "damaged"],
  ] as const)("%s", (_, there, text) => {
    if (typeof text === "string") expect(read(there as Parameters<typeof read>[0])).toBe(text);
    else expect(read(there as Parameters<typeof read>[0])).toMatch(text);
  });

  test("a table whose server was left idle before IPVS was changed: it is changed, not written anew", () => {
    const table = readBack(tableOf(parseState(written.replace("10.0.1.5 1", "10.0.1.5 0")), MARKS))!;
    const found = understand(
      MARKS,
      table,
      1000,
      balancedBy({ services: [service], destinations: new Map([[256, [task]]]) }),
    );
    expect(found?.state.servers[0]?.affinity).toBe(-1);
    const step = MARKS.step(found!.servers[0], serverOf(written));
    expect(
      changesOf(MARKS.skeleton, [step], EVERY)
        .flat()
        .map((change) => changeText("eleven", change)),
    ).toEqual(["delete element inet eleven idle4 { 256 }"]);
  });

  test("nothing for nothing", () => {
    const parts = { ...NOTHING, elements: otherElements(parseState(written)) };
    expect(changesOf(MARKS.skeleton, [{ before: parts, after: parts }], EVERY)).toEqual([]);
  });
});
