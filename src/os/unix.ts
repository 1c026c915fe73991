/** Datagrams to a unix socket, descriptors with them (unix(7), SCM_RIGHTS): how a service manager is told something. */
import { checked, libc } from "./libc.ts";
import { messageTo } from "./msghdr.ts";
import { withSocket } from "./socket.ts";

const AF_UNIX = 1;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const CMSGHDR = 16;

/** Sends `text` and these descriptors to the socket at `path` ("@name": an abstract one). Throws an OsError. */
export function notify(path: string, text: string, fds: readonly number[] = []): void {
  const message = Buffer.from(text);
  const name = Buffer.alloc(2 + Buffer.byteLength(path) + (path.startsWith("@") ? 0 : 1)); // struct sockaddr_un
  name.writeUInt16LE(AF_UNIX, 0);
  name.write(path.startsWith("@") ? `\0${path.slice(1)}` : path, 2);
  const control = fds.length === 0 ? NOTHING : rights(fds);
  withSocket(AF_UNIX, (fd) => {
    checked(libc().sendmsg(fd, messageTo(name, message, control), MSG_NOSIGNAL), "sendmsg", path);
  });
}

const NOTHING = Buffer.alloc(0);

/** struct cmsghdr: length 8 | level 4 | type 4, then the descriptors, padded to 8. */
function rights(fds: readonly number[]): Buffer {
  const length = CMSGHDR + fds.length * 4;
  const out = Buffer.alloc((length + 7) & ~7);
  out.writeBigUInt64LE(BigInt(length), 0);
  out.writeInt32LE(SOL_SOCKET, 8);
  out.writeInt32LE(SCM_RIGHTS, 12);
  for (const [i, fd] of fds.entries()) out.writeInt32LE(fd, CMSGHDR + i * 4);
  return out;
}
