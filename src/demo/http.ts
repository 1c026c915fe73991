/** Tiny HTTP servers and clients in network namespaces, all of them in this process. */
import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import { Socket } from "node:net";
import { inNetns } from "../os/netns.ts";
import { connectTcp, listenTcp } from "../os/socket.ts";

/** A server on port 80 in a namespace that says its name. */
export async function startWeb(netns: string, name: string): Promise<Server> {
  const { fd } = inNetns(netns, () => listenTcp("0.0.0.0", 80));
  const server = createServer((_, response) => void response.end(name)).listen({ fd });
  await once(server, "listening");
  return server;
}

/** As a task that is killed: whoever was talking to it is cut off. */
export function killWeb(server: Server): void {
  server.close();
  server.closeAllConnections();
}

/** Milliseconds until a failure is told: who asks in a loop would else leave no moment for anything, not for a signal either. */
const AFTER_FAILURE = 50;
/** For all of a request. Node's own time-out is for sockets that node connects, and these are not. */
const LONGEST = 2_000;

/** Who answered on a new connection from a namespace, or what went wrong ("ECONNREFUSED"). Never rejects. */
export function fetchFrom(netns: string, address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) =>
      void setTimeout(resolve, AFTER_FAILURE, error.code ?? error.message);
    const createConnection = () => new Socket({ fd: inNetns(netns, () => connectTcp(address, port)) });
    const asked = request({ createConnection, host: address, port }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve(Buffer.concat(parts).toString()));
      response.on("error", failed);
    });
    const late = setTimeout(() => asked.destroy(Object.assign(new Error("timeout"), { code: "timeout" })), LONGEST);
    asked.on("close", () => clearTimeout(late));
    asked.on("error", failed);
    asked.end();
  });
}
