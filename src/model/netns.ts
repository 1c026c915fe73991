/** Where a network namespace may be named: a path, a pid, or a name that `ip netns` knows. */

/** The path behind it: "web" is /run/netns/web, "4711" is /proc/4711/ns/net. */
export function netnsPath(name: string): string {
  if (name.includes("/")) return name;
  return /^\d+$/.test(name) ? `/proc/${name}/ns/net` : `/run/netns/${name}`;
}
