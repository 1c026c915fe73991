/**
 * SIGUSR1 makes node listen for a debugger on 127.0.0.1, and every local user may be one: in a root process that is root for everyone.
 * It is an ordinary signal here. Imports next to nothing: until it is called, the signal does what node wants.
 */
import { close, url } from "node:inspector";

/** Nothing opens the debugger from now on; one that came while node was starting is closed. Call `look` again when all is loaded. */
export function refuseDebugger(): { readonly look: () => void } {
  process.on("SIGUSR1", () => {});
  const wanted = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].some((words) =>
    /--inspect(?!-port)/.test(words),
  );
  const look = () => {
    if (!wanted && url() !== undefined) close();
  };
  look();
  return { look };
}
