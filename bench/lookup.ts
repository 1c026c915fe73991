/** Lookups among 10, 1 000 and 100 000 names: the time must not grow with the number. */
import { nameKey } from "../src/model/name.ts";
import { Scope } from "../src/scoping/scope.ts";
import { report, timed } from "./measure.ts";
import { zoneOf } from "./zone.ts";

export function run(): void {
  for (const size of [10, 1_000, 100_000]) {
    const zone = zoneOf(Array.from({ length: size }, (_, i) => [`service-${i}`, 3] as const));
    const scope = new Scope([{ zone, links: undefined }], { id: "s", upstreams: [], internal: false, ndots: false });
    const keys = Array.from({ length: 1024 }, (_, i) => nameKey(`service-${(i * 7919) % size}`));
    report(
      `lookup: a name among ${size.toLocaleString("en").replace(",", " ")}`,
      timed((i) => scope.lookup(keys[i & 1023]!, 1), 500_000),
      "ns",
    );
  }
}
