/** Datagrams to a unix socket, descriptors with them (unix(7), SCM_RIGHTS): how a service manager is told something. */
import { addressOf, checked, libc } from "./libc.ts";
import { closeFd } from "./socket.ts";

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const CMSGHDR = 16;

/** Sends `text` and these descriptors to the socket at `path` ("@name": an abstract one). Throws an OsError. */
export function notify(path: string, text: string, fds: readonly number[] = []): void {
  const { socket, sendmsg } = libc();
  const message = Buffer.from(text);
  const name = Buffer.alloc(2 + Buffer.byteLength(path) + (path.startsWith("@") ? 0 : 1)); // struct sockaddr_un
  name.writeUInt16LE(AF_UNIX, 0);
  name.write(path.startsWith("@") ? `\0${path.slice(1)}` : path, 2);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(addressOf(message), 0);
  vector.writeBigUInt64LE(BigInt(message.length), 8);
  const control = rights(fds);
  const header = Buffer.alloc(56); // struct msghdr, as in batch.ts
  header.writeBigUInt64LE(addressOf(name), 0);
  header.writeUInt32LE(name.length, 8);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(fds.length === 0 ? 0n : addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(fds.length === 0 ? 0 : control.length), 40);
  const fd = checked(socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0), "socket");
  try {
    checked(sendmsg(fd, header, MSG_NOSIGNAL), "sendmsg", path);
  } finally {
    closeFd(fd);
  }
}

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
