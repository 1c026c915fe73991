/** Network interfaces: just as much as a resolver needs. netdevice(7). */
import { OsError } from "./error.ts";
import { checked, libc } from "./libc.ts";
import { AF_INET } from "./sockaddr.ts";
import { withSocket } from "./socket.ts";

const SIOC = { getName: 0x8910, getFlags: 0x8913, setFlags: 0x8914 } as const;
const IFF_UP = 1;
const ENODEV = 19;

/** struct ifreq: the name with its NUL, then a union of 24 octets. */
const IFREQ = 40;
const NAME = 16;

/** Brings `lo` of the current namespace up if it is down: a namespace is born with it down. True if it was. */
export const bringLoopbackUp = (): boolean =>
  withSocket(AF_INET, (fd) => {
    const { ioctl } = libc();
    const request = Buffer.alloc(IFREQ);
    request.write("lo", "latin1");
    checked(ioctl(fd, SIOC.getFlags, request), "SIOCGIFFLAGS", "lo");
    const flags = request.readInt16LE(NAME);
    if (flags & IFF_UP) return false;
    request.writeInt16LE(flags | IFF_UP, NAME);
    checked(ioctl(fd, SIOC.setFlags, request), "SIOCSIFFLAGS", "lo");
    return true;
  });

/** The name of an interface in the namespace of a socket; undefined if there is none of that number, or its name is not UTF-8. */
export function deviceName(fd: number, index: number): string | undefined {
  const request = Buffer.alloc(IFREQ);
  request.writeUInt32LE(index, NAME);
  if (libc().ioctl(fd, SIOC.getName, request) < 0) {
    const errno = libc().koffi.errno();
    if (errno === ENODEV) return undefined;
    throw new OsError("interface", errno, `number ${index}`);
  }
  const octets = request.subarray(0, request.subarray(0, NAME).indexOf(0));
  const name = octets.toString();
  return Buffer.from(name).equals(octets) ? name : undefined;
}
