/**
 * One name asked a thousand times at once, each time dressed up differently: were each a question upstream, as many ids and ports could be
 * guessed at. So what counts is what the upstream sees.
 */
import { asking } from "../../test/hostile/upstream-programs.ts";
import { report } from "../measure.ts";
import { A, B, end, start } from "./processes.ts";
import { program } from "./programs.ts";

export async function birthday(rounds: number): Promise<void> {
  const [upstream, asked] = await start(B, program("upstream"));
  const [server, port] = await start(B, program("server", asked!, asked!));
  for (let round = 0; round < rounds; round++) {
    const name = `birthday${round}.slow.test`;
    const code = asking({ name, count: 1_000, rate: 4_000, options: true, address: "127.0.0.1", port: port! });
    const [client] = await start(A, [process.execPath, "-e", code]);
    await end("SIGKILL", client);
  }
  await end("SIGTERM", server);
  let said = "";
  upstream.stdout!.on("data", (text) => (said += text));
  await end("SIGTERM", upstream);
  const seen = Object.values(JSON.parse(said) as Record<string, number[]>);
  const median = (count: (ports: number[]) => number) => seen.map(count).sort((x, y) => x - y)[rounds >> 1]!;
  const name = "hostile: 1 000 questions with differing EDNS, one name";
  // One flight: a query, and what it is repeated by while there is no answer for a second.
  report(
    `${name}: packets upstream`,
    median((ports) => ports.length),
    "packets",
    5,
  );
  report(
    `${name}: source ports`,
    median((ports) => new Set(ports).size),
    "ports",
    5,
  );
}
