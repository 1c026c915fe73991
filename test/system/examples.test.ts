/** The examples are programs that run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { query, told } from "../support/packets.ts";
import { freePort } from "./dig.ts";

test("doh.ts: the resolver behind dns2's DNS over HTTPS", async () => {
  const port = await freePort();
  const child = spawn(process.execPath, ["--import", "tsx", "examples/doh.ts"], {
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const ask = async (question: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/dns-query?dns=${query(question).toString("base64url")}`);
    expect(response.headers.get("content-type")).toBe("application/dns-message");
    return told(Buffer.from(await response.arrayBuffer()));
  };
  expect((await ask("web A")).answers).toEqual(["web 600 A 10.0.1.2"]);
  expect((await ask("tasks.web A")).answers).toEqual([
    "tasks.web 5 A 10.0.1.3",
    "tasks.web 5 A 10.0.1.4",
    "tasks.web 5 A 10.0.1.5",
  ]);
  expect((await ask("9.web A")).rcode).toBe("NXDOMAIN");
  child.kill();
  await once(child, "exit");
});
