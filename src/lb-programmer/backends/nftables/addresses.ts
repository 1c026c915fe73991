/** VIPs as addresses of real interfaces, by `ip`. */
import type { LbTarget, LocalAddress } from "../../types.ts";
import { LbError } from "../../types.ts";
import { command } from "./run.ts";

/** Adds and removes addresses in one `ip -batch`; what is there, or gone, already is no error. */
export async function changeAddresses(
  target: LbTarget,
  added: readonly LocalAddress[],
  removed: readonly LocalAddress[],
): Promise<void> {
  const real = ({ device }: LocalAddress) => device !== "lo";
  const add = added
    .filter(real)
    .map(({ address, device }) => `addr replace ${host(address)} dev ${device}${quick(address)}`);
  const remove = removed.filter(real).map(({ address, device }) => `addr del ${host(address)} dev ${device}`);
  if (add.length > 0) await batch(target, add, /^$/);
  // Gone already, with or without its interface: that is what was asked for.
  if (remove.length > 0)
    await batch(target, remove, /Cannot assign requested address|address not found|Cannot find device/i);
}

/** Those of `addresses` that their interfaces really have. */
export async function present(target: LbTarget, addresses: readonly LocalAddress[]): Promise<readonly LocalAddress[]> {
  if (addresses.every(({ device }) => device === "lo")) return addresses;
  const { stdout } = await command(target, "ip", ["-j", "addr", "show"]);
  const links = JSON.parse(stdout || "[]") as readonly { ifname?: string; addr_info?: readonly { local?: string }[] }[];
  const there = new Set(
    links.flatMap(({ ifname, addr_info }) => (addr_info ?? []).map(({ local }) => `${ifname} ${local}`)),
  );
  return addresses.filter(({ address, device }) => device === "lo" || there.has(`${device} ${address}`));
}

async function batch(target: LbTarget, lines: readonly string[], harmless: RegExp): Promise<void> {
  const { status, stderr } = await command(target, "ip", ["-force", "-batch", "-"], { input: `${lines.join("\n")}\n` });
  if (status === 0) return;
  const bad = stderr
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("Command failed") && !harmless.test(line));
  if (bad.length === 0 && harmless.test(stderr)) return;
  const denied = /Operation not permitted/.test(stderr);
  throw new LbError(denied ? "denied" : "failed", target, `ip addr: ${bad[0] ?? stderr}`);
}

const host = (address: string): string => `${address}/${address.includes(":") ? 128 : 32}`;
/** Nobody else has a VIP: duplicate address detection would only delay it by a second. */
const quick = (address: string): string => (address.includes(":") ? " nodad" : "");
