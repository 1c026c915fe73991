/** What Docker installed at each step of a session, and what we plan and install for the same services: where they differ, and why. */
import { describe, expect, test } from "vitest";
import { ipvsSysctls } from "../../../src/lb-programmer/backends/ipvs/sysctls.ts";
import { Marks } from "../../../src/lb-programmer/marks.ts";
import { Planner } from "../../../src/lb-programmer/plan/planner.ts";
import { CAPTURES, registryOf, targetOf } from "./capture.ts";
import { DIFFERENCES, type Difference } from "./differences.ts";
import { factsOfDocker, factsOfOurs } from "./facts.ts";

const used = new Set<Difference>();

describe.each(CAPTURES)("%s", (step, capture) => {
  const state = registryOf(capture);
  const marks = new Marks();
  const planner = new Planner({
    placement: "network",
    marks: (key) => marks.of(key),
    node: "here",
    sysctls: ipvsSysctls({}),
  });
  test.each(Object.keys(capture.namespaces))("%s", (name) => {
    const docker = factsOfDocker(capture.namespaces[name]!);
    const ours = factsOfOurs(planner.plan(state, targetOf(capture, name)));
    const explained = (who: "docker" | "ours") => (fact: string) => {
      const found = DIFFERENCES.filter(
        (d) => d[who]?.test(fact) && (d.where ?? /./).test(name) && (d.steps?.includes(step.slice(0, 2)) ?? true),
      );
      for (const difference of found) used.add(difference);
      return found.length > 0;
    };
    const onlyDocker = docker.filter((fact) => !ours.includes(fact)).filter((fact) => !explained("docker")(fact));
    const onlyOurs = ours.filter((fact) => !docker.includes(fact)).filter((fact) => !explained("ours")(fact));
    expect({ onlyDocker, onlyOurs }).toEqual({ onlyDocker: [], onlyOurs: [] });
  });
});

test("every difference that is listed is still one", () => {
  expect(DIFFERENCES.filter((difference) => !used.has(difference)).map(({ why }) => why)).toEqual([]);
});
