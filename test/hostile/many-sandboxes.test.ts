/** More sandboxes, and more descriptors, than what select(2) can wait for: 1 023. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually, Namespaces, withoutNamespaces } from "../system/namespaces.ts";

describe.skipIf(withoutNamespaces())("balancing by nftables", () => {
  let namespaces: Namespaces;
  let child: ChildProcess | undefined;
  let errors = "";
  beforeEach(() => {
    namespaces = new Namespaces();
    errors = "";
  });
  afterEach(() => {
    child?.kill("SIGKILL");
    namespaces.clean();
  });

  /** `eleven serve` with so many descriptors more than it opens itself; resolves when it says where it listens. */
  async function serve(config: string, descriptors: number): Promise<ChildProcess> {
    const file = join(mkdtempSync(join(tmpdir(), "eleven-")), "config.yaml");
    writeFileSync(file, config);
    const script = `for ((i = 0; i < ${descriptors}; i++)); do exec {fd}</dev/null; done; exec "$@"`;
    child = spawn("bash", ["-c", script, "bash", process.execPath, "dist/main.js", "serve", file], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stderr!.on("data", (text) => {
      errors += text;
    });
    const ended = once(child, "exit").then(([code, signal]) => {
      throw new Error(`it ended by itself (${code ?? signal}): ${errors.slice(-1_000)}`);
    });
    ended.catch(() => {});
    await Promise.race([once(child.stdout!, "data"), ended]);
    return child;
  }

  const config = (sandboxes: readonly string[], more = "") => `upstreams: []
balance: { backend: nftables${more} }
networks: { n: { subnet: 10.0.0.0/16 } }
services: { web: { networks: [n], replicas: 2 } }
containers: { ${sandboxes.map((name) => `${name}: { networks: [n] }`).join(", ")} }
sandboxes:
${sandboxes.map((name) => `  ${name}: { container: ${name}, netns: ${namespaces.name(name)} }`).join("\n")}
`;
  const listed = (short: string) => namespaces.exec(short, "nft", "list", "tables");

  async function endsWell(served: ChildProcess): Promise<void> {
    served.kill("SIGTERM");
    expect(await once(served, "exit")).toEqual([0, null]);
  }

  test("1 100 descriptors are open before anything is balanced: neither sandboxes nor the host's own namespaces end it", async () => {
    await namespaces.add("c1", "lb");
    const place = `, placement: network, networks: { n: { netns: ${namespaces.name("lb")}, device: lo, ip: 10.0.0.3 } }`;
    const served = await serve(config(["c1"], place), 1_100);
    expect(readdirSync(`/proc/${served.pid}/fd`).length).toBeGreaterThan(1_100);
    await eventually(
      () => listed("lb"),
      (text) => text.includes("eleven"),
    );
    await endsWell(served);
    expect([errors, await listed("lb")]).toEqual(["", ""]);
  });

  test("200 sandboxes", { timeout: 180_000 }, async () => {
    const names = Array.from({ length: 200 }, (_, i) => `c${i}`);
    await namespaces.add(...names);
    const served = await serve(config(names), 300);
    for (const name of [names[0]!, names[99]!, names[199]!])
      await eventually(
        () => listed(name),
        (text) => text.includes("eleven"),
        60_000,
      );
    expect(served.exitCode).toBeNull();
    await endsWell(served);
    expect(errors).toBe("");
    expect(await listed(names[199]!)).toBe("");
  });
});
