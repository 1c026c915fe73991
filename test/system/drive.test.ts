/** A session with a running agent, by the built command alone: what is typed, and all that is printed. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { split, text } from "../support/fake-agent.ts";

const folder = mkdtempSync(join(tmpdir(), "eleven-"));
const [file, socket] = [join(folder, "eleven.yaml"), join(folder, "eleven.sock")];
let agent: ChildProcess;

beforeAll(async () => {
  writeFileSync(
    file,
    text`
      state_dir: ${join(folder, "state")}
      networks: { mynet: { subnet: 10.0.1.0/24 } }
      services: { web: { networks: [mynet], tasks: [{ id: web.1, slot: 1 }] } }
      containers: { client: { id: client, networks: [mynet] } }
      sandboxes: { client: { container: client, listen: ["127.0.0.1:0"] } }
    `,
  );
  agent = spawn(process.execPath, ["dist/main.js", "agent", "--config", file, "--socket", socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(agent.stdout!, "data");
});
afterAll(async () => {
  agent.kill();
  await once(agent, "exit");
});

/** Both outputs, and an exit code that is not 0. */
function eleven(words: string): Promise<string> {
  return new Promise((resolve) => {
    const args = ["dist/main.js", "--socket", socket, ...split(words)];
    execFile(process.execPath, args, (error, out, errors) => {
      const code = error === null ? "" : `exit ${error.code}\n`;
      resolve(`${out}${errors.replace(/^(?=.)/gm, "! ")}${code}`.trimEnd().replaceAll(file, "FILE"));
    });
  });
}

test.each([
  [
    "network ls",
    "ID     NAME   DRIVER   SUBNETS      OPTIONS  SOURCE\nmynet  mynet  overlay  10.0.1.0/24           FILE",
  ],
  ["service scale web=3", "web is scaled to 3"],
  [
    "task ls --format '{{.ID}} {{.Addresses}} {{.Source}}'",
    "web.1 mynet 10.0.1.3 FILE\nweb.2 mynet 10.0.1.5 api\nweb.3 mynet 10.0.1.6 api",
  ],
  ["service ls --format '{{.Name}} {{.Replicas}}'", "web 3/3"],
  ["task update web.2 --health unhealthy", "web.2"],
  ["query tasks.web -q", "10.0.1.3\n10.0.1.6"],
  [
    "service update web --drain 3",
    '! eleven: service "web" is written in FILE:3; change it there, and eleven reload\nexit 4',
  ],
  ["service create api --network mynet --alias www --replicas 1 --label tier=back", "api"],
  [
    "service create api --network mynet",
    "! eleven: there is a service api already; eleven service update api changes it\nexit 4",
  ],
  ["service create x --network mynte", '! eleven: there is no network "mynte"; did you mean mynet?\nexit 3'],
  ["service update api --label-add a=b --label-rm tier", "api"],
  ["service inspect api --format '{{json .labels}}'", '{"a":"b"}'],
  ["query www --from client --format '{{.status}} {{join .answer \"; \"}}'", "NOERROR www. 600 IN A 10.0.1.7"],
  ["query nobody.mynet --from clint", '! eleven: there is no sandbox "clint"; did you mean client?\nexit 3'],
  ["service ls -q --filter label=a=b", "api"],
  [
    "container create c --network mynet --ip 10.0.1.4",
    /^! eleven: container c: .*10\.0\.1\.4.*\n! {3}at \/endpoints\/0\/ip4\nexit 4$/,
  ],
  ["wait --revision 999 --timeout 0.1", "! eleven: not applied within 0.1 s; eleven status says why\nexit 124"],
  ["reload", "nothing is another"],
  ["service rm api wbe", 'api\n! eleven: there is no service "wbe"; did you mean web?\nexit 3'],
  [
    "status",
    /^eleven +\S+, up .*\nrevision +\d+\nobjects +1 network, 1 service, 3 tasks, 1 container, 1 sandbox\nconfig +FILE, read \S+\nno problems$/,
  ],
  [
    "service scale web=0",
    /^! eleven: task "web.1" is written in FILE:3; change it there, and eleven reload\n! {3}at \/changes\/\d\nexit 4$/,
  ],
  ["__complete -- task rm web.", "web.1\ttask\nweb.2\ttask\nweb.3\ttask"],
] as const)("eleven %s", async (words, said) => {
  const whole = await eleven(words);
  if (typeof said === "string") expect(whole.split("\n").sort()).toEqual(said.split("\n").sort());
  else expect(whole).toMatch(said);
});

test("a restart keeps what came through the API, and lets nobody else in meanwhile", async () => {
  const second = spawn(process.execPath, ["dist/main.js", "agent", "--config", file, "--socket", socket], {
    stdio: "ignore",
  });
  expect((await once(second, "exit"))[0]).toBe(1);
  const before = await eleven("task ls");
  agent.kill();
  await once(agent, "exit");
  expect(await eleven("status")).toMatch(/^! eleven: eleven agent is not running .*\nexit 1$/);
  agent = spawn(process.execPath, ["dist/main.js", "agent", "--config", file, "--socket", socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(agent.stdout!, "data");
  expect(await eleven("task ls")).toBe(before);
});

test("a restart with a file that names what the API made answers as before, until the one or the other is mended", async () => {
  await eleven("container create theirs --network mynet");
  const written = readFileSync(file, "utf8");
  writeFileSync(file, written.replace("{ client:", "{ theirs: { networks: [mynet] }, client:"));
  agent.kill();
  await once(agent, "exit");
  agent = spawn(process.execPath, ["dist/main.js", "agent", "--config", file, "--socket", socket], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(agent.stdout!, "data");
  expect(await eleven("query theirs -q")).toMatch(/^10\.0\.1\.\d+$/);
  expect(await eleven("status")).toContain(
    'FILE:4:15: containers.theirs: container "theirs" was made through the API; remove it there first (eleven container rm theirs)',
  );
  await eleven("container rm theirs");
  expect(await eleven("reload")).toMatch(/^1 object changed, revision \d+$/);
  expect(await eleven("status")).toMatch(/no problems$/);
});
