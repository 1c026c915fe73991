/** One demo at a time: a second one would take the first one's namespaces for remains of an earlier run, and remove them. */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";

/** A socket, because nobody holds one after a crash. In the same place as the namespaces: who shares those shares this. */
const PATH = "/run/eleven-demo.sock";

/** Keeps others out until the server is closed. Throws an Error that says who is here already. */
export async function beTheOnlyOne(path = PATH): Promise<Server> {
  for (let again = true; ; again = false) {
    const server = createServer((asker) => void asker.on("error", () => {}).end(`${process.pid}`)).unref();
    try {
      await once(server.listen(path), "listening");
      return server;
    } catch (error) {
      if (!again || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
    const other = await whoIs(path);
    if (other !== undefined)
      throw new Error(
        `a demo is running on this machine (process ${other}); there can be one at a time: end that first`,
      );
    rmSync(path, { force: true });
  }
}

/** The process that listens there; undefined if none does any more. */
async function whoIs(path: string): Promise<string | undefined> {
  const socket = connect(path);
  try {
    for await (const pid of socket) return String(pid);
    return undefined; // it is just going
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
