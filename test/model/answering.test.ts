import { expect, test } from "vitest";
import { answering, containerAnswers } from "../../src/model/answering.ts";
import type { Container, Health, RunState, Service, Task } from "../../src/model/types.ts";

// One row a state; columns: health none, starting, healthy, unhealthy.
test.each<[Service["publish"], RunState, string]>([
  ["healthy", "starting", "- - - -"],
  ["healthy", "running", "y - y -"], // moby 4.4: in the answers from the first healthy event
  ["healthy", "paused", "y - y -"], // pausing changes nothing
  ["healthy", "draining", "- - - -"],
  ["healthy", "stopped", "- - - -"],
  ["starting", "starting", "y y y -"], // moby #35451: peers that must find each other first
  ["starting", "running", "y y y -"],
  ["starting", "paused", "y y y -"],
  ["starting", "draining", "- - - -"],
  ["starting", "stopped", "- - - -"],
])("publish %s, %s", (publish, state, expected) => {
  const healths: Health[] = ["none", "starting", "healthy", "unhealthy"];
  const got = healths.map((health) => (answering({ state, health } as Task, { publish } as Service) ? "y" : "-"));
  expect(got.join(" ")).toBe(expected);
});

test.each<[RunState, boolean]>([
  ["starting", false],
  ["running", true],
  ["paused", true],
  ["draining", false],
  ["stopped", false],
])("container %s: %s", (state, expected) => {
  expect(containerAnswers({ state } as Container)).toBe(expected);
});
