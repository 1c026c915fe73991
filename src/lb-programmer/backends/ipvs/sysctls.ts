/** Settings that IPVS needs, and those of IPVS itself that are no files. */
import { ipvsTimeouts, setIpvsTimeouts } from "../../../os/netlink/ipvs.ts";
import type { Idle, LbTarget } from "../../state.ts";
import type { Access } from "../common/found.ts";
import { HeldSysctls } from "../common/held-sysctls.ts";
import { readSysctls, writeSysctls } from "../common/sysctls.ts";
import type { Settings } from "../common/watched.ts";
import { withIpvs } from "./with-ipvs.ts";

/**
 * Docker's settings (libnetwork service_linux.go): IPVS connections are tracked, so that they can be masqueraded; a client's
 * port that is used again gets a new task at once; connections of a task that is gone end; and a client stops
 * staying with a task of weight 0.
 */
const NEEDED: Readonly<Record<string, string>> = {
  "net/ipv4/vs/conntrack": "1",
  "net/ipv4/vs/conn_reuse_mode": "0",
  "net/ipv4/vs/expire_nodest_conn": "1",
  "net/ipv4/vs/expire_quiescent_template": "1",
};

export const ipvsSysctls = ({ tcp, udp }: Idle): Readonly<Record<string, string>> => ({
  ...NEEDED,
  ...(tcp !== undefined && { "ipvs/tcp": `${tcp}` }),
  ...(udp !== undefined && { "ipvs/udp": `${udp}` }),
});

/** The timeouts, by the names that a state has for them (ipvsadm --set). */
const TIMEOUTS = new Map([
  ["ipvs/tcp", "tcp"],
  ["ipvs/udp", "udp"],
] as const);

const isTimeout = (key: string): key is "ipvs/tcp" | "ipvs/udp" => TIMEOUTS.has(key as "ipvs/tcp");

/** The values of those sysctls and timeouts that are there. */
export function readSettings(target: LbTarget, keys: readonly string[]): Record<string, string> {
  return { ...readSysctls(target, keys.filter(isFile)), ...readTimeouts(target, keys.filter(isTimeout)) };
}

/** To read them again and again. */
export function openSettings(target: LbTarget, keys: readonly string[]): Settings {
  const [files, timeouts] = [new HeldSysctls(target, keys.filter(isFile)), keys.filter(isTimeout)];
  return { read: () => ({ ...files.read(), ...readTimeouts(target, timeouts) }), close: () => files.close() };
}

const isFile = (key: string): boolean => !isTimeout(key);

function readTimeouts(target: LbTarget, keys: readonly ("ipvs/tcp" | "ipvs/udp")[]): Record<string, string> {
  if (keys.length === 0) return {};
  const now = withIpvs(target, ipvsTimeouts);
  return Object.fromEntries(keys.map((key) => [key, `${now[TIMEOUTS.get(key)!]}`]));
}

function writeSettings(target: LbTarget, values: ReadonlyMap<string, string>): void {
  writeSysctls(target, new Map([...values].filter(([key]) => !isTimeout(key))));
  for (const [key, value] of values)
    if (isTimeout(key)) withIpvs(target, () => setIpvsTimeouts({ [TIMEOUTS.get(key)!]: Number(value) }));
}

/** For what is left as it was found. */
export const SETTINGS: Access = { read: readSettings, write: writeSettings };
