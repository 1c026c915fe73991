/**
 * What iptables-save prints, in a container's namespace anything: no exception, and whatever is made of it for iptables-restore consists
 * of lines that we could have written.
 */
import fc from "fast-check";
import { addressChange, selfRouteChange } from "../../src/lb-programmer/backends/ipvs/addresses.ts";
import { inFamily } from "../../src/lb-programmer/backends/ipvs/iptables/chain.ts";
import { stateOf } from "../../src/lb-programmer/backends/ipvs/iptables/read.ts";
import { EVERY_CHAIN, marksOf, parseSaved, restoreText } from "../../src/lb-programmer/backends/ipvs/iptables/saved.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY } from "../../src/lb-programmer/state.ts";
import { randomState } from "../lb-programmer/random-state.ts";
import { parseState } from "../lb-programmer/state-text.ts";
import { damaged, swapped, text } from "./arbitraries.ts";
import { fuzz } from "./fuzz.ts";

const FAMILIES = [4, 6] as const;

/** What it is to become; only of this, and of our own words, may there be anything in what we write. */
const DESIRED = parseState(`
  server web/mynet/4 10.0.1.4 mark 256 local rr
    10.0.1.5 1
  redirect 10.0.0.4 tcp 8080 to 80
  redirect fd00::4 tcp 8080 to 80`);

const NAMES = [...new Set(EVERY_CHAIN.map(({ name }) => name))];
const OURS = {
  4: linesFor(4),
  6: linesFor(6),
};

function linesFor(family: 4 | 6): ReadonlySet<string> {
  const jumps = EVERY_CHAIN.flatMap((chain) => chain.jumps(family).map((jump) => `${jump} -j ${chain.name}`));
  return new Set([
    ...["*mangle", "*nat", "*filter", "COMMIT"],
    ...NAMES.flatMap((name) => [`:${name} - [0:0]`, `-X ${name}`]),
    ...jumps.flatMap((jump) => [`-I ${jump}`, `-D ${jump}`]),
    ...EVERY_CHAIN.flatMap((chain) =>
      chain.rules(inFamily(DESIRED, family), family).map((rule) => `-A ${chain.name} ${rule}`),
    ),
  ]);
}

function holds(input: Uint8Array): void {
  const printed = Buffer.from(input).toString("utf8");
  const saved = { 4: parseSaved(printed, 4), 6: parseSaved(printed, 6) };
  for (const family of FAMILIES)
    for (const desired of [DESIRED, EMPTY])
      for (const line of restoreText(saved[family], desired, EVERY_CHAIN, family).split("\n"))
        if (line !== "" && !OURS[family].has(line)) throw new Error(`not ours: ${line.slice(0, 200)}`);
  for (const mark of FAMILIES.flatMap((family) => marksOf(saved[family])))
    if (!(mark >= 256 && mark < 2 ** 22)) throw new Error(`no mark: ${mark}`);
  const state = stateOf({ saved, services: [], destinations: new Map(), addresses: new Set(), selfRoutes: new Set() });
  if (state === undefined) return;
  const ops = diff({ ...state, sysctls: {} }, EMPTY);
  for (const { address, device } of addressChange(ops, EMPTY, () => false).removed)
    if (!/^[0-9a-f.:]{2,45} [^\s/:"';{}\\]{1,15}$/.test(`${address} ${device}`)) throw new Error("no address");
  for (const to of selfRouteChange(ops, EMPTY, new Set()).removed)
    if (!/^[0-9a-f.:]{2,45}$/.test(to)) throw new Error("no route");
}

/** Ours, as iptables-save prints it, with others' lines between. */
const FOREIGN = [
  "*nat",
  ":DOCKER - [0:0]",
  '-A PREROUTING -m comment --comment "a \\"b\\" -j ELEVEN-SNAT" -j DOCKER',
  "-A DOCKER -j ELEVEN-REDIRECT --modprobe=/tmp/x",
  "-A PREROUTING -g ELEVEN-INGRESS",
  "-A ELEVEN-REDIRECT -j DOCKER",
  "-A ELEVEN-LOCAL ! -d 10.0.0.1/32 -j MARK --set-xmark 0x100/0xffffffff",
];
const WRITTEN = fc
  .sample(randomState({ device: "dev0" }), 100)
  .flatMap((state) =>
    FAMILIES.map((family) => restoreText(parseSaved("", family), state, EVERY_CHAIN, family).replaceAll("-I ", "-A ")),
  );
const printed = fc
  .tuple(fc.constantFrom(...WRITTEN), fc.array(fc.tuple(fc.nat(60), fc.constantFrom(...FOREIGN)), { maxLength: 3 }))
  .map(([written, others]) => {
    const lines = written.split("\n");
    for (const [at, line] of others) lines.splice(at % lines.length, 0, line);
    return lines.join("\n");
  });

/** What a container could put in the place of a word. */
const HOSTILE = fc.constantFrom(
  ..."--modprobe=/x -j -g ! 0xffffffff/0xffffffff 0x80000100/0xffffffff 10.0.0.0/8 ELEVEN-SNAT 65536 ../.. lo;x %zz".split(
    " ",
  ),
  ...['"', '"a b"', '"%zz local masquerade 10.0.1.4"', "\\"],
);

fuzz("iptables-saved", damaged(text(printed)), holds);
fuzz("iptables-swapped", text(swapped(printed, /\S+/g, HOSTILE)), holds);
