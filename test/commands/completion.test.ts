/** What a tab offers: words of the tree, choices, and names from an agent. */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SCRIPTS } from "../../src/commands/completion-scripts.ts";
import { eleven, type FakeAgent, fakeAgent } from "../support/fake-agent.ts";

let agent: FakeAgent;
beforeAll(async () => {
  agent = await fakeAgent();
  const items = (...names: string[]) => ({
    body: { revision: 1, items: names.map((name) => ({ id: `${name}-id`, name })) },
  });
  agent.say({
    "GET /v1/services": items("web", "web2", "db", "$(evil)"),
    "GET /v1/networks": items("mynet"),
    "GET /v1/sandboxes": { body: { items: [{ id: "client" }] } },
  });
});
afterAll(() => agent.close());

test.each([
  [["serv"], "serve service"],
  [["service", ""], "ls inspect create update rm scale"],
  [["service", "remove", "w"], "web web2"],
  [["service", "rm", "web", "d"], "db"],
  [["service", "update", "web", ""], ""],
  [["service", "scale", "we"], "web= web2="],
  [["service", "create", "x", "--network", ""], "mynet"],
  [["service", "create", "x", "--endpoint-mode", ""], "vip dnsrr"],
  [["service", "create", "x", "--en"], "--endpoint-mode"],
  [["query", "web", "--from", ""], "client"],
  [["query", "web", "--so"], "--socket"],
  [["completion", ""], "bash zsh fish"],
  [["serve", ""], ""],
  [["--socket", "/nowhere", "service", "rm", ""], ""],
  [["no", "such", ""], ""],
  [
    [""],
    "agent serve config state doctor cni demo network service task container sandbox query explain lb status events upstream cache wait reload completion help",
  ],
])("%j", async (words, expected) => {
  const said = await eleven(["__complete", "--", ...words], agent.socket);
  expect(said.replace(/\t.*/gm, "").split("\n").join(" ")).toBe(expected);
});

test.each(["bash", "zsh", "fish"] as const)("%s takes its script", async (shell) => {
  expect(await eleven(["completion", shell])).toBe(SCRIPTS[shell]);
  const { status, error, stderr } = spawnSync(shell, ["-n"], { input: SCRIPTS[shell], encoding: "utf8" });
  if (error !== undefined) return; // it is not installed
  expect([status, stderr]).toEqual([0, ""]);
});
