/** A config of several files: what they come to together, and every problem of all of them at once. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ConfigError, type LoadOptions, loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/options.ts";

/** A directory with these files. */
function folder(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), "eleven-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/** "network n=a.yaml, …": what there is, and in which file; or what is wrong. */
async function told(path: string, options?: LoadOptions): Promise<string> {
  try {
    return summary(await loadConfig(path, options)).replaceAll(`${path}/`, "");
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(path, "DIR").replaceAll("DIR/", "");
  }
}

const summary = ({ changes }: Config): string =>
  changes
    .map((change) => {
      const [kind = ""] = change.kind.split(".");
      const { name, id, source } = (change as unknown as Record<string, { name?: string; id: string; source: string }>)[
        kind
      ]!;
      return `${kind} ${kind === "task" ? "" : (name ?? id)}=${source}`;
    })
    .join(", ");

const NET = "networks: { n: {} }";
const SANDBOX = "containers: { c: { networks: [n] } }\nsandboxes: { s: { container: c, listen: '127.0.0.1:53' } }";

test.each<[string, Record<string, string>, string]>([
  ["nothing at all", {}, ""],
  [
    "objects of each file",
    {
      "a.yaml": NET,
      "b.yml": "services: { web: { networks: [n] } }",
      "c.json": '{"containers": {"c": {"networks": ["n"]}}}',
    },
    "network n=a.yaml, service web=b.yml, task =b.yml, container c=c.json",
  ],
  [
    "hidden files, and what editors leave, are none",
    {
      "a.yaml": NET,
      ".b.yaml": "x",
      "a.yaml~": "x",
      "#a.yaml#": "x",
      ".a.yaml.swp": "x",
      "a.yaml.bak": "x",
      README: "x",
    },
    "network n=a.yaml",
  ],
  [
    "an object in two",
    { "a.yaml": `\n${NET}`, "b.yaml": NET },
    "b.yaml:1:13: networks.n: is written in a.yaml:2 too; leave one of the two out",
  ],
  [
    "an option in two",
    { "a.yaml": "hostnames: true", "b.yaml": "# mine\nhostnames: true" },
    "b.yaml:2:1: hostnames: is written in a.yaml:1 too; leave one of the two out",
  ],
  [
    "an id in two",
    { "a.yaml": "networks: { a: { id: q } }", "b.yaml": "networks: { b: { id: q } }" },
    'b.yaml:1:16: networks.b: has the same network id "q" as networks.a in a.yaml:1',
  ],
  [
    "the form of one and the meaning of another",
    { "a.yaml": "networks: { n: {}, m: { subnt: x } }", "b.yaml": "sandboxes:\n  s: { container: nobody }\n" },
    'a.yaml:1:25: networks.m.subnt: is no key that is known here\nb.yaml:2:19: sandboxes.s.container: there is no container "nobody" in this file',
  ],
  [
    "both in one object's neighbours",
    { "a.yaml": "compat: x\nservices:\n  web: { networks: [n], tasks: [{}], replicas: 2 }\n  api: { networks: 5 }\n" },
    'a.yaml:1:9: compat: must be "none" or "docker"\n' +
      "a.yaml:3:48: services.web.replicas: says 2, but 1 tasks are listed; leave one of the two out\n" +
      "a.yaml:4:20: services.api.networks: must be a list or a mapping",
  ],
  [
    "what is missing because it is wrong is complained of once",
    {
      "a.yaml": "containers: { c: { networks: 5 } }\nservices: { w: {} }",
      "b.yaml": "sandboxes: { s: { container: c }, t: { task: w.1 } }",
    },
    "a.yaml:1:30: containers.c.networks: must be a list or a mapping\na.yaml:2:13: services.w.networks: is missing",
  ],
  [
    "or because its file is",
    { "a.yaml": "containers: [", "b.yaml": "sandboxes: { s: { container: c } }" },
    "a.yaml:1:14: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["a file that is none", { "b.yaml": NET }, "a.yaml: it is a directory"],
  ["a link that leads nowhere", { "b.yaml": NET }, "a.yaml: there is no such file"],
  ["a pipe that nobody writes to", { "b.yaml": NET }, "a.yaml: it is no file"],
  ["a device without an end", { "b.yaml": NET }, "a.yaml: it is no file"],
  [
    "a second document",
    { "a.yaml": `${NET}\n---\nnetworks: { m: {} }` },
    "a.yaml:2:1: a second document begins here: write a file for each",
  ],
])("%s", async (what, files, expected) => {
  const path = folder(files);
  if (what === "a file that is none") mkdirSync(join(path, "a.yaml"));
  if (what === "a link that leads nowhere") symlinkSync("nowhere", join(path, "a.yaml"));
  if (what === "a pipe that nobody writes to") execFileSync("mkfifo", [join(path, "a.yaml")]);
  if (what === "a device without an end") symlinkSync("/dev/zero", join(path, "a.yaml"));
  expect(await told(path)).toBe(expected);
});

test("a device that somebody asks for is read until it is too long", async () => {
  expect(await told("/dev/zero")).toMatch(/: it is longer than 64 MiB$/);
});

test("several paths, each file once", async () => {
  const path = folder({ "a.yaml": NET, "b.yaml": "services: { web: { networks: [n] } }" });
  const config = await loadConfig([join(path, "b.yaml"), path]);
  expect(config.files).toEqual([join(path, "b.yaml"), join(path, "a.yaml")]);
  expect(config.changes.map((c) => c.kind)).toEqual(["network.put", "service.put", "task.put"]);
});

test.each<[string, LoadOptions["use"], string]>([
  [NET, "serve", "DIR: nothing listens: a sandbox needs a netns, or an address to listen on"],
  [
    `${NET}\ncontainers: { c: {networks: [n]} }\nsandboxes: { s: { container: c } }`,
    "serve",
    "DIR: nothing listens: a sandbox needs a netns, or an address to listen on",
  ],
  [`${NET}\n${SANDBOX}`, "serve", "network n=a.yaml, container c=a.yaml, sandbox s=a.yaml"],
  [NET, "agent", "network n=a.yaml"],
  [NET, undefined, "network n=a.yaml"],
  ["sandboxes: { s: 5 }", "serve", "a.yaml:1:17: sandboxes.s: must be a mapping"],
])("%j for %s", async (text, use, expected) => {
  expect(await told(folder({ "a.yaml": text }), { use })).toBe(expected);
});

test("an agent balances in sandboxes that are yet to come", async () => {
  const path = folder({ "a.yaml": NET });
  const balance = async (use: LoadOptions["use"]) => (await loadConfig(path, { use })).options.balance;
  expect([await balance("serve").catch(() => "refused"), await balance(undefined), await balance("agent")]).toEqual([
    "refused",
    undefined,
    { backend: "auto", placement: "sandbox", node: "node-1", networks: [] },
  ]);
});

test.each<[string, object | string]>([
  ["{}", {}],
  ['{ socket: /s, group: docker, mode: "0660" }', { socket: "/s", group: "docker", mode: 0o660 }],
  ["{ socket: s }", "a.yaml:1:20: control.socket: must be an absolute path"],
  ["{ mode: 0660 }", "a.yaml:1:18: control.mode: must be a string"],
  ['{ mode: "rw" }', 'a.yaml:1:18: control.mode: must be octal, in quotes: "0660"'],
])("control: %s", async (text, expected) => {
  const path = folder({ "a.yaml": `control: ${text}` });
  expect(typeof expected === "string" ? await told(path) : (await loadConfig(path)).options.control).toEqual(expected);
});
