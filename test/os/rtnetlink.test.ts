/** Addresses and local routes by netlink, next to what `ip` says of them. */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OsError } from "../../src/os/error.ts";
import {
  addAddress,
  addLocalRoute,
  type InterfaceAddress,
  interfaceAddresses,
  localRoutes,
  removeAddress,
  removeLocalRoute,
} from "../../src/os/netlink/rtnetlink.ts";
import { inNetns } from "../../src/os/netns.ts";
import { eventually, Namespaces, withoutNamespaces } from "../system/namespaces.ts";

/** "10.0.0.5/32 d0" */
function address(text: string): InterfaceAddress {
  const [, address = "", prefix = "", device = ""] = /^(.*)\/(\d+) (.*)$/s.exec(text) ?? [];
  return { address, prefix: Number(prefix), device };
}
const textOf = ({ address, prefix, device }: InterfaceAddress) => `${address}/${prefix} ${device}`;

describe.skipIf(withoutNamespaces())("in a namespace", () => {
  const namespaces = new Namespaces();
  beforeAll(async () => {
    await namespaces.add("rt");
    await namespaces.ip("-n @rt link set lo up");
  });
  afterAll(() => namespaces.clean());
  beforeEach(async () => {
    await namespaces.ip("-n @rt link add d0 type bridge");
    await namespaces.ip("-n @rt link set d0 up addrgenmode none");
    return () => namespaces.ip("-n @rt link del d0");
  });
  const here = <T>(work: () => T): T => inNetns(namespaces.path("rt"), work);
  const ip = (...words: string[]): string =>
    execFileSync("ip", ["-n", namespaces.name("rt"), ...words], { encoding: "latin1" });
  const failure = (work: () => unknown): string => {
    try {
      here(work);
    } catch (error) {
      expect(error).toBeInstanceOf(OsError);
      return (error as Error).message;
    }
    return "nothing failed";
  };

  /** As `ip -j` prints them. */
  interface Link {
    readonly ifname: string;
    readonly addr_info: readonly Record<string, unknown>[];
  }
  const byIp = (): string[] =>
    (JSON.parse(ip("-j", "address")) as Link[]).flatMap(({ ifname, addr_info }) =>
      addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen} ${ifname}`),
    );
  const detail = (local: string) =>
    (JSON.parse(ip("-j", "address")) as Link[]).flatMap((l) => l.addr_info).find((info) => info["local"] === local);

  test.each([
    "10.0.0.5/32 d0",
    "10.0.0.6/24 d0",
    "127.0.0.9/8 lo",
    "10.0.0.7/32 lo",
    "fd00::5/128 d0",
    "fd00::6/64 lo",
  ])("%s is added, once, seen by ip and by us, and removed, once", (text) => {
    const a = address(text);
    here(() => addAddress(a));
    here(() => addAddress(a));
    expect(byIp()).toContain(text);
    expect(here(interfaceAddresses).map(textOf).sort()).toEqual(byIp().sort());
    expect([here(() => removeAddress(a)), here(() => removeAddress(a))]).toEqual([true, false]);
    expect(byIp()).not.toContain(text);
  });

  test.each(["10.0.0.5/32 d0", "fd00::5/128 d0"])("%s as `ip address replace` makes it, in every detail", (text) => {
    const a = address(text);
    here(() => addAddress(a));
    const ours = detail(a.address);
    here(() => removeAddress(a));
    const nodad = a.address.includes(":") ? ["nodad"] : [];
    ip("address", "replace", `${a.address}/${a.prefix}`, "dev", a.device, ...nodad);
    expect(ours).toEqual(detail(a.address));
    here(() => removeAddress(a));
  });

  test("a deprecated address is one; added again without that, it is none any more", () => {
    const a = address("fd00::7/128 d0");
    here(() => addAddress(a, { deprecated: true }));
    expect(detail(a.address)).toMatchObject({ preferred_life_time: 0, deprecated: true, nodad: true });
    here(() => addAddress(a));
    expect(detail(a.address)).not.toHaveProperty("deprecated");
  });

  test.each([
    ["10.0.0.1/32 none", "address add 10.0.0.1/32 on none: ENODEV"],
    ["10.0.0.1/32 a-name-of-16-oct", "address add 10.0.0.1/32 on a-name-of-16-oct: ENODEV"],
    ["10.0.0.1/33 d0", /^address add 10.0.0.1\/33 on d0: EINVAL/],
    ["ff02::1/128 d0", /^address add ff02::1\/128 on d0: EADDRNOTAVAIL \(.*multicast.*\)/],
  ])("%s can't be added: %s", (text, message) => {
    expect(failure(() => addAddress(address(text)))).toMatch(message);
  });

  test("what is not there is not removed, and that is no error", () => {
    expect(here(() => removeAddress(address("10.0.0.9/32 d0")))).toBe(false);
    expect(here(() => removeAddress(address("10.0.0.9/32 none")))).toBe(false);
    expect(here(() => removeLocalRoute("10.0.0.9"))).toBe(false);
  });

  test.each([
    ["10.1.0.1", "10.0.0.5/32 d0"],
    ["fd01::1", "fd00::5/128 d0"],
  ])("a local route to %s with source %s, as ip makes it; the kernel's own are not ours", async (to, text) => {
    const a = address(text);
    here(() => addAddress(a));
    const route = { to, source: a.address };
    const family = to.includes(":") ? "-6" : "-4";
    const list = () => ip(family, "route", "show", "table", "local");
    // With IPv6 the kernel puts an address into the table a moment later.
    const before = await eventually(list, (routes) => routes.includes(`local ${a.address} dev d0`));
    here(() => addLocalRoute(route));
    here(() => addLocalRoute(route));
    const ours = list();
    expect(here(localRoutes)).toEqual([route]);
    expect([here(() => removeLocalRoute(to)), here(() => removeLocalRoute(to))]).toEqual([true, false]);
    expect(list()).toBe(before);
    const whole = to.includes(":") ? 128 : 32;
    ip("route", "replace", "local", `${to}/${whole}`, "dev", "lo", "src", a.address);
    expect(ours).toBe(list());
    expect(here(() => removeLocalRoute(to))).toBe(true);
    expect(here(() => removeLocalRoute(a.address))).toBe(false); // that one is the kernel's
    expect(list()).toBe(before);
    here(() => removeAddress(a));
  });

  test("a route's source must be an address of the namespace", () => {
    expect(failure(() => addLocalRoute({ to: "10.1.0.1", source: "10.9.9.9" }))).toMatch(
      /^route add 10.1.0.1 from 10.9.9.9: EINVAL/,
    );
  });

  test("whatever a container calls its interfaces: text comes out, or nothing", () => {
    const names = ['";x`$(id)`', "\u001b[2J$HOME", "-j", "ü😀", "{}[]<>&|'"];
    for (const [i, name] of names.entries()) {
      ip("link", "add", "name", name, "type", "bridge");
      ip("address", "add", `10.7.0.${i}/32`, "dev", name);
    }
    const octets = "i=$(printf 'a\\377\\376b'); ip link add name $i type bridge; ip address add 10.7.0.99/32 dev $i";
    execFileSync("ip", ["netns", "exec", namespaces.name("rt"), "bash", "-c", octets]);
    const seen = here(interfaceAddresses).filter((a) => a.address.startsWith("10.7.0."));
    expect(seen.map(({ device }) => device).sort()).toEqual(names.sort());
    const odd = names[0]!;
    const a = { address: "10.7.1.1", prefix: 32, device: odd };
    here(() => addAddress(a));
    expect(here(interfaceAddresses)).toContainEqual(a);
    here(() => addAddress({ ...a, address: "10.7.1.2", protocol: 11 }));
    expect(here(interfaceAddresses)).toContainEqual({ ...a, address: "10.7.1.2", protocol: 11 });
    expect(here(() => removeAddress(a))).toBe(true);
  });

  test("thousands of addresses and routes are seen, all of them", () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => {
      const low = `${i >> 8}.${i & 255}`;
      return [`address add 10.8.${low}/32 dev d0`, `route add local 10.9.${low}/32 dev lo src 10.8.0.0`];
    });
    execFileSync("ip", ["-n", namespaces.name("rt"), "-batch", "-"], { input: `${lines.flat().join("\n")}\n` });
    expect(here(interfaceAddresses).filter((a) => a.address.startsWith("10.8."))).toHaveLength(3_000);
    expect(here(localRoutes)).toHaveLength(3_000);
  });
});
