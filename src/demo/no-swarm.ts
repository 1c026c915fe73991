/** Why there can be no swarm on this machine, in words that say what is missing. */
import { OsError } from "../os/error.ts";

export class NoSwarm extends Error {}

/** What the machine refuses to everyone like us as a NoSwarm; what is a mistake of ours stays what it is. */
export function asNoSwarm(error: unknown): unknown {
  const words = error instanceof OsError ? wordsFor(error) : undefined;
  return words === undefined ? error : new NoSwarm(words, { cause: error });
}

function wordsFor({ op, code, message }: OsError): string | undefined {
  switch (`${op} ${code}`) {
    case "mount EPERM":
    case "umount EPERM":
    case "unshare EPERM":
      return "network namespaces take CAP_SYS_ADMIN, which this root does not have: a container's, perhaps";
    case "SIOCSIFFLAGS EPERM":
    case "bridge add EPERM":
      return "interfaces take CAP_NET_ADMIN, which this root does not have";
    case "unshare EINVAL":
      return "this kernel has no network namespaces";
    case "bridge add EOPNOTSUPP":
    case "veth add EOPNOTSUPP": {
      const kind = op.split(" ")[0]!;
      return `this kernel has no ${kind} interfaces (its module ${kind} is not there or not loaded)`;
    }
  }
  return REFUSALS.has(code) ? message : undefined;
}

/** What these say of anything that was asked for: not on this machine, or not for us. */
const REFUSALS: ReadonlySet<string> = new Set(["EACCES", "ENOSYS", "EOPNOTSUPP", "EPERM", "EROFS"]);
