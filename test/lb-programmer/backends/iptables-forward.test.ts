/** Our place in iptables' FORWARD chain: rules in, what is done to them out. */
import { describe, expect, test } from "vitest";
import { closing, forwardRules, isOpen, opening } from "../../../src/lb-programmer/backends/common/iptables-forward.ts";

const OURS = `
-A ELEVEN-FORWARD -o gw -m conntrack --ctstate DNAT -j ACCEPT
-A ELEVEN-FORWARD -i gw -m conntrack --ctstate DNAT -j ACCEPT`;
const DOCKER = "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-ISOLATION-STAGE-1";

/** `iptables -S`; what is done: undefined if all is well. */
const ROWS: readonly (readonly [name: string, listing: string, done: string | undefined])[] = [
  ["nothing", "-P INPUT DROP\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT", undefined],
  ["a policy", "-P FORWARD DROP", "-I FORWARD 1 -j ELEVEN-FORWARD"],
  ["a rule", "-P FORWARD ACCEPT\n-A FORWARD -i eth1 -j DROP", "-I FORWARD 1 -j ELEVEN-FORWARD"],
  ["ours", `-P FORWARD DROP\n-A FORWARD -j ELEVEN-FORWARD\n-A FORWARD -j x${OURS}`, undefined],
  [
    "ours behind somebody's who bars one",
    `-P FORWARD DROP\n-A FORWARD -s 192.0.2.9/32 -j DROP\n-A FORWARD -j ELEVEN-FORWARD${OURS}`,
    undefined,
  ],
  [
    "ours behind one that drops all",
    `-P FORWARD ACCEPT\n-A FORWARD -j REJECT --reject-with icmp-port-unreachable\n-A FORWARD -j ELEVEN-FORWARD${OURS}`,
    "-D FORWARD -j ELEVEN-FORWARD; -I FORWARD 1 -j ELEVEN-FORWARD",
  ],
  ["our chain, and no way into it", `-P FORWARD DROP${OURS}`, "-I FORWARD 1 -j ELEVEN-FORWARD"],
  [
    "our chain, with a rule of somebody's",
    `-P FORWARD DROP\n-A FORWARD -j ELEVEN-FORWARD${OURS}\n-A ELEVEN-FORWARD -j DROP`,
    "-D FORWARD -j ELEVEN-FORWARD; -I FORWARD 1 -j ELEVEN-FORWARD",
  ],
  ["Docker", `${DOCKER}\n-A DOCKER-USER -j RETURN`, "-I DOCKER-USER 1 -j ELEVEN-FORWARD"],
  ["Docker since 28", DOCKER, "-I DOCKER-USER 1 -j ELEVEN-FORWARD"],
  [
    "Docker, and what the operator forbids",
    `${DOCKER}\n-A DOCKER-USER ! -s 10.0.0.0/8 -i eth0 -j DROP\n-A DOCKER-USER -i eth1 -j DROP\n-A DOCKER-USER -j RETURN`,
    "-I DOCKER-USER 3 -j ELEVEN-FORWARD",
  ],
  [
    "so, without a return",
    `${DOCKER}\n-A DOCKER-USER ! -s 10.0.0.0/8 -i eth0 -j DROP`,
    "-I DOCKER-USER 2 -j ELEVEN-FORWARD",
  ],
  [
    "Docker came after us",
    `-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j ELEVEN-FORWARD\n-A DOCKER-USER -j RETURN${OURS}`,
    "-D FORWARD -j ELEVEN-FORWARD; -I DOCKER-USER 1 -j ELEVEN-FORWARD",
  ],
  [
    "ours in Docker's",
    `${DOCKER}\n-A DOCKER-USER -i eth1 -j DROP\n-A DOCKER-USER -j ELEVEN-FORWARD\n-A DOCKER-USER -j RETURN${OURS}`,
    undefined,
  ],
  [
    "ours where it is not reached",
    `${DOCKER}\n-A DOCKER-USER -j RETURN\n-A DOCKER-USER -j ELEVEN-FORWARD${OURS}`,
    "-D DOCKER-USER -j ELEVEN-FORWARD; -I DOCKER-USER 1 -j ELEVEN-FORWARD",
  ],
];

describe("opening", () => {
  test.each(ROWS)("%s", (_, listing, done) => {
    const rules = forwardRules(listing);
    expect(isOpen(rules, ["gw"])).toBe(done === undefined);
    const lines = opening(rules, ["gw"]).filter((line) => !line.includes(" ELEVEN-FORWARD -") && !line.startsWith(":"));
    if (done !== undefined) expect(lines.join("; ")).toBe(done);
  });

  test("all bridges, and others than before", () => {
    const rules = forwardRules(`-P FORWARD DROP\n-A FORWARD -j ELEVEN-FORWARD${OURS}`);
    expect(isOpen(rules, ["gw", "gw2"])).toBe(false);
    expect(opening(rules, ["gw", "gw2"]).filter((line) => line.startsWith("-A ELEVEN-FORWARD"))).toHaveLength(4);
  });
});

test.each([
  ["nothing of ours", DOCKER, undefined],
  ["ours", `-P FORWARD DROP\n-A FORWARD -j ELEVEN-FORWARD${OURS}`, ["-D FORWARD -j ELEVEN-FORWARD"]],
  [
    "ours, in both places",
    `${DOCKER}\n-A FORWARD -j ELEVEN-FORWARD\n-A DOCKER-USER -j ELEVEN-FORWARD`,
    ["-D FORWARD -j ELEVEN-FORWARD", "-D DOCKER-USER -j ELEVEN-FORWARD"],
  ],
  ["only the chain", `-P FORWARD ACCEPT${OURS}`, []],
])("closing: %s", (_, listing, jumps) => {
  const lines = closing(forwardRules(listing));
  expect(lines).toEqual(jumps && [":ELEVEN-FORWARD - [0:0]", ...jumps, "-X ELEVEN-FORWARD"]);
});
