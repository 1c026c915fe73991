/** IPVS where several namespaces have many services each: the kernel has all of them in one list, of which /proc shows a part only. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../../src/os/exec.ts";
import { type IpvsCommand, ipvsDo } from "../../../src/os/netlink/ipvs.ts";
import { ipvsLists, ipvsLook } from "../../../src/os/netlink/ipvs-lists.ts";
import { inNetns } from "../../../src/os/netns.ts";

const [NAMESPACES, SERVICES] = [5, 60];
const MARKS = Array.from({ length: SERVICES }, (_, i) => 256 + i);

export function crowdedSuite(): void {
  describe(`${NAMESPACES} namespaces with ${SERVICES} services each`, () => {
    const names = Array.from({ length: NAMESPACES }, (_, i) => `e11-crowd-${process.pid}-${i}`);
    const inEach = <T>(work: (i: number) => T): T[] =>
      names.map((name, i) => inNetns(`/run/netns/${name}`, () => work(i)));
    const looks = (): string[] => inEach(() => ipvsLook(1 << 20)());

    beforeAll(async () => {
      for (const name of names) {
        await exec("ip", ["netns", "add", name]);
        await exec("ip", ["-n", name, "link", "set", "lo", "up"]);
      }
      // In turns, so that they are mixed in the kernel's list.
      for (const mark of MARKS) inEach((i) => done(ipvsDo(service(mark, i))));
    });
    afterAll(async () => {
      for (const name of names) await exec("ip", ["netns", "del", name]);
    });

    test("the destinations of every service are read", () => {
      const found = inEach(() => ipvsLists().destinations);
      expect(found.map((list) => list.size)).toEqual(names.map(() => SERVICES));
      for (const [i, list] of found.entries())
        for (const mark of MARKS)
          expect(
            list
              .get(mark)
              ?.map((d) => `${d.address} ${d.weight} ${d.forwarding} ${d.port}`)
              .sort(),
          ).toEqual([5, 6].map((last) => `${addressOf(mark, i, last)} 1 masquerade 0`));
    });

    test("a look sees a change of a weight, in whichever service, and in this namespace only", () => {
      for (const mark of MARKS.filter((_, i) => i % 7 === 0)) {
        const before = looks();
        inEach((i) => i === 2 && done(ipvsDo([weigh(mark, i, 7)])));
        const after = looks();
        expect(after.map((look, i) => look !== before[i])).toEqual([false, false, true, false, false]);
      }
    });

    test("and no services that come and go elsewhere", () => {
      const before = looks();
      inEach((i) => i === 1 && done(ipvsDo(Array.from({ length: 20 }, (_, j) => service(9_000 + j, 1)).flat())));
      expect(looks().map((look, i) => look !== before[i])).toEqual([false, true, false, false, false]);
    });
  });
}

const addressOf = (mark: number, i: number, last: number): string =>
  mark % 2 === 0 ? `10.${i}.${mark % 251}.${last}` : `fd00:${i}:${mark.toString(16)}::${last}`;

function service(mark: number, i: number): IpvsCommand[] {
  const id = { mark, family: mark % 2 === 0 ? 4 : 6 } as const;
  return [
    { command: "service.new", service: { ...id, scheduler: "rr", affinity: 0 } },
    ...[5, 6].map(
      (last): IpvsCommand => ({
        command: "destination.new",
        service: id,
        destination: { address: addressOf(mark, i, last), weight: 1, forwarding: "masquerade", port: 0 },
      }),
    ),
  ];
}

const weigh = (mark: number, i: number, weight: number): IpvsCommand => ({
  command: "destination.set",
  service: { mark, family: mark % 2 === 0 ? 4 : 6 },
  destination: { address: addressOf(mark, i, 5), weight, forwarding: "masquerade", port: 0 },
});

const done = (refusals: readonly number[]): void => expect(refusals.filter((errno) => errno !== 0)).toEqual([]);
