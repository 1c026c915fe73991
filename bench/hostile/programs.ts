/** What the bench starts beside itself: run with a word, this file is the server, an upstream, or a crowd of connections. */
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { Upstream } from "../../test/hostile/upstream.ts";
import { query } from "../../test/support/packets.ts";
import { world } from "../world.ts";

/** Where all upstreams are; nobody but they, and who forges, has this address. */
export const UPSTREAM = "127.0.0.2";

/** The command for this file. */
export const program = (...words: readonly (string | number)[]): string[] => [
  process.execPath,
  "--import",
  "tsx",
  fileURLToPath(import.meta.url),
  ...words.map(String),
];

/** Sandboxes A and B, and the ports of their upstreams; says their own. */
async function serve(upstreams: readonly number[]): Promise<void> {
  const { createNode } = (await import(
    new URL("../../dist/index.js", import.meta.url).href
  )) as typeof import("../../src/index.ts");
  const node = createNode({ workers: 1 });
  const listen = [{ address: "127.0.0.1", port: 0 }];
  const member = { kind: "container", id: "web" } as const;
  const sandbox = (id: string, port = 53) =>
    ({ kind: "sandbox.put", sandbox: { id, member, listen, upstreams: [{ address: UPSTREAM, port }] } }) as const;
  node.apply([...world(["web"]), sandbox("a", upstreams[0]), sandbox("b", upstreams[1])]);
  await node.ready();
  process.once("SIGTERM", () => void node.close());
  console.log(["a", "b"].map((id) => node.listening(id)[0]!.port).join(" "));
}

/** Says its port, and at its end, for each first label, the ports that it was asked from. */
async function upstream(): Promise<void> {
  const server = new Upstream();
  process.once("SIGTERM", () => {
    process.stdout.write(JSON.stringify(Object.fromEntries(server.seen)), () => process.exit());
  });
  console.log(await server.open(UPSTREAM, 0));
}

/** Half of the connections are idle, a quarter sends an octet now and then, a quarter asks without end. */
function crowd(port: number): void {
  const packet = query("web A");
  const questions = Buffer.concat(Array(100).fill(Buffer.concat([Buffer.from([0, packet.length]), packet])));
  let connected = 0;
  const open = (i: number): void => {
    const socket = connect(port, "127.0.0.1", () => {
      if (++connected === 500) console.log("up");
      if (i % 4 === 2) setInterval(() => socket.write(Buffer.from([0])), 500).unref();
      if (i % 4 === 3) flood();
    });
    const flood = (): void => void socket.write(questions, () => setImmediate(flood));
    socket.on("error", () => {}).on("close", () => setTimeout(open, 10, i));
    socket.resume();
  };
  for (let i = 0; i < 500; i++) open(i);
}

const [word, ...ports] = process.argv.slice(2);
if (word === "server") await serve(ports.map(Number));
if (word === "upstream") await upstream();
if (word === "crowd") crowd(Number(ports[0]));
