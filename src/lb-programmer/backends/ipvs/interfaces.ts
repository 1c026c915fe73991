/** What `ip` prints of addresses and routes. Pure. */

export interface Interfaces {
  /** "10.0.1.4/32 eth0" for every address of every interface. */
  readonly addresses: ReadonlySet<string>;
  /** "10.0.1.4 10.0.1.5": connections to the first come from the second, and stay in this namespace. */
  readonly selfRoutes: ReadonlySet<string>;
}

/** Input of `ip -j -batch -`, as printf writes it, that prints what `parseInterfaces` reads. */
export const ASK_INTERFACES = "address show\\nroute show table all type local\\n";

interface Printed {
  readonly ifname?: string;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
  readonly dst?: string;
  readonly prefsrc?: string;
  readonly protocol?: string;
}

/** Each command prints one line. */
export function parseInterfaces(json: string): Interfaces {
  const entries = json.split("\n").flatMap((line) => (line.trim() === "" ? [] : (JSON.parse(line) as Printed[])));
  const addresses = entries.flatMap(({ ifname, addr_info = [] }) =>
    addr_info.map((a) => `${a.local}/${a.prefixlen} ${ifname}`),
  );
  const routes = entries.filter(
    ({ dst, prefsrc, protocol }) => dst !== undefined && prefsrc !== undefined && protocol !== "kernel",
  );
  return { addresses: new Set(addresses), selfRoutes: new Set(routes.map(({ dst, prefsrc }) => `${dst} ${prefsrc}`)) };
}
