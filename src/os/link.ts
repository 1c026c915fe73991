/** Network interfaces: just as much as a resolver needs. */
import { checked, libc } from "./libc.ts";
import { AF_INET } from "./sockaddr.ts";

const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;

/** Brings `lo` of the current namespace up if it is down: a namespace is born with it down. True if it was. netdevice(7). */
export function bringLoopbackUp(): boolean {
  const { socket, ioctl, close } = libc();
  const fd = checked(socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), "socket");
  try {
    const request = Buffer.alloc(40); // struct ifreq: name 16, then a union that starts with short ifr_flags
    request.write("lo", "latin1");
    checked(ioctl(fd, SIOCGIFFLAGS, request), "SIOCGIFFLAGS", "lo");
    const flags = request.readInt16LE(16);
    if (flags & IFF_UP) return false;
    request.writeInt16LE(flags | IFF_UP, 16);
    checked(ioctl(fd, SIOCSIFFLAGS, request), "SIOCSIFFLAGS", "lo");
    return true;
  } finally {
    close(fd);
  }
}
