/** A restart under load: sockets stay with the service manager, and no query is lost. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ServiceManager } from "../support/service-manager.ts";
import { have } from "./dig.ts";
import { eventually, Namespaces, withoutNamespaces } from "./namespaces.ts";

describe.skipIf(withoutNamespaces() || !have("dnsperf"))(
  "eleven under a service manager that keeps descriptors",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "eleven-"));
    const [queries, file] = [join(folder, "queries"), join(folder, "config.yaml")];
    let ns: Namespaces;
    let manager: ServiceManager;

    beforeEach(async () => {
      ns = new Namespaces();
      manager = new ServiceManager();
      await ns.add("direct", "redirect");
      writeFileSync(queries, "one A\ntwo A\nnosuch.invalid A\n");
    });
    afterEach(() => {
      manager.end();
      ns.clean();
    });

    const config = (...binds: ("direct" | "redirect")[]) =>
      writeFileSync(
        file,
        `upstreams: []
networks: { n: {} }
services: { web: { networks: [n] } }
containers: { one: { networks: [n] }, two: { networks: [n] } }
sandboxes:
${binds.map((b) => `  ${b}: { container: one, netns: ${ns.name(b)}, bind: ${b} }`).join("\n")}
`,
      );
    /** Queries asked inside, until it is told to stop. A start may take its time: who waits asks no more meanwhile, and loses none. */
    const load = (short: string) => {
      const words = `netns exec ${ns.name(short)} stdbuf -oL dnsperf -s 127.0.0.11 -d ${queries} -l 100 -Q 1000 -c 4 -t 20`;
      const child = spawn("ip", words.split(" "), { stdio: ["ignore", "pipe", "inherit"] });
      let text = "";
      child.stdout.on("data", (part) => {
        text += part;
      });
      const count = (what: string) => Number(new RegExp(`Queries ${what}: +(\\d+)`).exec(text)?.[1]);
      return {
        begun: () => once(child.stdout, "data"),
        async stop(): Promise<[lost: number, completed: number]> {
          child.kill("SIGINT");
          await once(child, "close");
          return [count("lost"), count("completed")];
        },
      };
    };

    test.each(["direct", "redirect"] as const)(
      "nothing is lost, %s",
      async (bind) => {
        config(bind);
        await manager.start("dist/main.js", "serve", file);
        expect(manager.stored.size).toBe(1);
        const asking = load(bind);
        await asking.begun();
        for (let restarts = 0; restarts < 3; restarts++) {
          const { pid } = manager;
          expect(await manager.stop()).toBe(0);
          await manager.start("dist/main.js", "serve", file);
          expect(manager.pid).not.toBe(pid);
        }
        expect(await ns.exec(bind, "dig", "@127.0.0.11", "+tcp", "+short", "one")).toMatch(/^10\./);
        const [lost, completed] = await asking.stop();
        expect(lost).toBe(0);
        expect(completed).toBeGreaterThan(300); // more than can be under way at once, for each restart
        expect(manager.errors).not.toMatch(/"level":"warn"/);
      },
      60_000,
    );

    test("killed outright, it is succeeded as well", async () => {
      config("direct");
      await manager.start("dist/main.js", "serve", file);
      await manager.stop("SIGKILL");
      const waiting = ns.exec("direct", "dig", "@127.0.0.11", "+short", "+time=20", "+tries=1", "two");
      await manager.start("dist/main.js", "serve", file);
      expect(await waiting).toMatch(/^10\./);
    });

    test.each(["direct", "redirect"] as const)(
      "a namespace that was made anew at the same path meanwhile has sockets of its own, %s",
      async (bind) => {
        config(bind);
        await manager.start("dist/main.js", "serve", file);
        await manager.stop();
        await ns.remove(bind);
        await ns.add(bind);
        await manager.start("dist/main.js", "serve", file);
        for (const transport of ["+notcp", "+tcp"])
          expect(await ns.exec(bind, "dig", "@127.0.0.11", transport, "+short", "+time=2", "+tries=1", "one")).toMatch(
            /^10\./,
          );
        expect([...manager.stored.values()].map((fds) => fds.length)).toEqual([2]);
      },
    );

    test("a redirect that was taken over is kept as one that was made", async () => {
      config("redirect");
      await manager.start("dist/main.js", "serve", file);
      await manager.stop();
      await manager.start("dist/main.js", "serve", file);
      const rules = () => ns.exec("redirect", "nft", "list", "tables");
      expect(await rules()).toMatch(/eleven_dns/);
      await ns.exec("redirect", "nft", "flush", "ruleset");
      await eventually(rules, (tables) => /eleven_dns/.test(tables));
      expect(await ns.exec("redirect", "dig", "@127.0.0.11", "+short", "one")).toMatch(/^10\./);
    });

    test("a sandbox that is not there any more: its sockets are given back, its rules removed", async () => {
      config("direct", "redirect");
      await manager.start("dist/main.js", "serve", file);
      expect(manager.stored.size).toBe(2);
      const rules = () => ns.exec("redirect", "nft", "list", "ruleset");
      expect(await rules()).toMatch(/table ip eleven_dns_.*table inet eleven /s);
      await manager.stop();
      config("direct");
      await manager.start("dist/main.js", "serve", file);
      expect(manager.stored.size).toBe(1);
      expect(await rules()).toBe("");
    });
  },
);
