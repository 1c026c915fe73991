/** The CNI plugin behind Debian's own plugins, called as the specification has it, with a running agent. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { have } from "./dig.ts";
import { eventually, Namespaces, withoutNamespaces } from "./namespaces.ts";

const PLUGINS = "/usr/lib/cni";
const folder = mkdtempSync(join(tmpdir(), "eleven-"));
const [file, socket] = [join(folder, "eleven.yaml"), join(folder, "eleven.sock")];

type Json = Readonly<Record<string, unknown>>;

describe.skipIf(withoutNamespaces() || !have(join(PLUGINS, "bridge")))("behind bridge and host-local", () => {
  const namespaces = new Namespaces();
  let agent: ChildProcess;
  beforeAll(async () => {
    await namespaces.add("host", "one", "two", "three");
    writeFileSync(file, `{ state_dir: ${join(folder, "state")}, upstreams: [] }`);
    agent = spawn(process.execPath, ["dist/main.js", "agent", "--config", file, "--socket", socket], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(agent.stdout!, "data");
  });
  afterAll(async () => {
    agent.kill();
    await once(agent, "exit");
    namespaces.clean();
  });

  const BRIDGE = {
    ...{ type: "bridge", bridge: "cni0", isGateway: true },
    ipam: { type: "host-local", dataDir: join(folder, "ipam"), ranges: [[{ subnet: "10.88.0.0/16" }]] },
  };
  const OURS = { type: "eleven", socket, capabilities: { aliases: true } };

  /** Runs one plugin; rejects with what it printed. */
  function call(command: string, plugin: string, short: string, config: Json, args = ""): Promise<Json | undefined> {
    const env = {
      ...{
        PATH: process.env["PATH"],
        CNI_COMMAND: command,
        CNI_CONTAINERID: `${short}-0cb69af29af2`,
        CNI_IFNAME: "eth0",
      },
      ...{ CNI_NETNS: namespaces.path(short), CNI_PATH: PLUGINS, CNI_ARGS: args },
    };
    const host = ["netns", "exec", namespaces.name("host"), join(PLUGINS, plugin)];
    const [program, words] = plugin === "eleven" ? [process.execPath, [resolve("dist/main.js")]] : ["ip", host];
    return new Promise((done, failed) => {
      const child = execFile(program, words, { env }, (error, out) => {
        if (error !== null) failed(new Error(out || error.message));
        else done(out === "" ? undefined : JSON.parse(out));
      });
      child.stdin!.end(JSON.stringify({ cniVersion: "1.0.0", name: "mynet", ...config }));
    });
  }

  /** As a runtime goes through a list of plugins. */
  async function add(short: string, args = "", runtimeConfig: Json = {}): Promise<Json> {
    await call("ADD", "loopback", short, {});
    const prevResult = await call("ADD", "bridge", short, BRIDGE);
    return (await call("ADD", "eleven", short, { ...OURS, runtimeConfig, prevResult }, args))!;
  }

  const dig = (short: string, name: string) =>
    namespaces.exec(short, "dig", "@127.0.0.11", "+short", "+tries=1", "+time=2", name);

  test("containers find each other by name and alias, and one that has gone is not there any more", async () => {
    const one = await add("one", "K8S_POD_NAME=db;K8S_POD_NAMESPACE=shop", { aliases: ["sql"] });
    expect(one["dns"]).toMatchObject({ nameservers: ["127.0.0.11"], options: ["ndots:0"] });
    const two = await add("two");
    const [{ address } = { address: "" }] = one["ips"] as readonly { address: string }[];
    const ip = address.split("/")[0]!;
    for (const name of ["db.shop", "db", "sql", "db.mynet"]) expect(await dig("two", name), name).toBe(ip);
    expect(await dig("one", "two-0cb69af29af2")).not.toBe("");
    await call("CHECK", "eleven", "two", { ...OURS, prevResult: two });
    await call("DEL", "eleven", "one", { ...OURS, prevResult: one });
    await call("DEL", "eleven", "one", OURS); // a runtime may ask again
    expect(await dig("two", "db")).toBe("");
    await expect(call("CHECK", "eleven", "one", { ...OURS, prevResult: one })).rejects.toThrow('"code":3');
  });

  test("a service's VIP leads to its tasks from there", async () => {
    await add("three");
    const eleven = (...words: string[]) =>
      new Promise<string>((done) => {
        execFile(process.execPath, ["dist/main.js", "--socket", socket, ...words], (_, out, errors) =>
          done(out + errors),
        );
      });
    await eleven("service", "create", "web", "--network", "mynet", "--replicas", "2");
    const vip = await dig("three", "web");
    expect(vip).toMatch(/^10\.88\./);
    expect((await dig("three", "tasks.web")).split("\n")).toHaveLength(2);
    const explained = JSON.parse(await eleven("explain", "web", "--from", "three-0cb69af29af2", "--format", "json"));
    const servers = explained.asked[0].balanced.flatMap((view: { servers: { vip: string }[] }) => view.servers);
    expect(servers.map((server: { vip: string }) => server.vip)).toEqual([vip]);
    expect(await eleven("lb", "verify")).toBe("the kernel holds what it should\n");
    await namespaces.exec("three", "nft", "flush", "ruleset");
    await eventually(
      () => eleven("lb", "verify"),
      (said) => said === "the kernel holds what it should\n",
    );
  });

  test("GC takes what the runtime does not know any more", async () => {
    const valid = { "cni.dev/valid-attachments": [{ containerID: "three-0cb69af29af2", ifname: "eth0" }] };
    await call("GC", "eleven", "three", { ...OURS, cniVersion: "1.1.0", ...valid });
    expect(await dig("three", "two-0cb69af29af2")).toBe("");
    expect(await dig("three", "three-0cb69af29af2")).not.toBe("");
  });

  test.each([
    ["STATUS", { ...OURS, cniVersion: "1.1.0" }, undefined],
    ["VERSION", {}, ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]],
  ])("%s", async (command, config, versions) => {
    expect((await call(command, "eleven", "three", config))?.["supportedVersions"]).toEqual(versions);
  });

  test("an agent that is not there is said as the specification has it, and to be tried again", async () => {
    const nowhere = { ...OURS, socket: join(folder, "nobody.sock") };
    await expect(call("DEL", "eleven", "three", nowhere)).rejects.toThrow('"code":11');
    expect(existsSync(join(folder, "nobody.sock"))).toBe(false);
  });
});
