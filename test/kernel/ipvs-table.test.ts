/** The ipvs backend with a table of nf_tables, on a kernel that has no IPVS: a list in this file takes its place. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { IpvsBackend } from "../../src/lb-programmer/backends/ipvs/backend.ts";
import { NftablesBackend } from "../../src/lb-programmer/backends/nftables/backend.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import { EMPTY, type LbTarget } from "../../src/lb-programmer/state.ts";
import type { IpvsCommand, IpvsDestination, IpvsService } from "../../src/os/netlink/ipvs.ts";
import { addAddress } from "../../src/os/netlink/rtnetlink.ts";
import { inNetns } from "../../src/os/netns.ts";
import { parseState, stateText } from "../lb-programmer/state-text.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

const [EEXIST, ENOENT, ESRCH] = [17, 2, 3];

interface There extends IpvsService {
  readonly tasks: Map<string, IpvsDestination>;
}
const ipvs = vi.hoisted(() => ({ services: new Map<string, unknown>(), schedulers: ["rr", "wrr"] }));
const services = ipvs.services as Map<string, There>;

vi.mock("../../src/os/netlink/ipvs.ts", async (original) => ({
  ...(await original<typeof import("../../src/os/netlink/ipvs.ts")>()),
  ipvsDo: (commands: readonly IpvsCommand[]) => commands.map(carryOut),
}));
vi.mock("../../src/os/netlink/ipvs-lists.ts", () => ({
  ipvsLook: () => () => "",
  ipvsLists: () => ({
    services: [...services.values()],
    destinations: new Map([...services.values()].map(({ mark, tasks }) => [mark, [...tasks.values()]])),
  }),
}));

/** What ip_vs_ctl.c answers. */
function carryOut(command: IpvsCommand): number {
  const key = `${command.service.mark} ${command.service.family}`;
  const there = services.get(key);
  switch (command.command) {
    case "service.new":
    case "service.set":
      if (command.command === "service.new" && there) return EEXIST;
      if (command.command === "service.set" && !there) return ESRCH;
      if (!ipvs.schedulers.includes(command.service.scheduler)) return ENOENT;
      services.set(key, { ...command.service, tasks: there?.tasks ?? new Map() });
      return 0;
    case "service.delete":
      return services.delete(key) ? 0 : ESRCH;
    case "destination.delete":
      return !there ? ESRCH : there.tasks.delete(command.destination.address) ? 0 : ENOENT;
    default: {
      if (!there) return ESRCH;
      const known = there.tasks.has(command.destination.address);
      if (known === (command.command === "destination.new")) return known ? EEXIST : ENOENT;
      there.tasks.set(command.destination.address, command.destination);
      return 0;
    }
  }
}

describe.skipIf(!privileged())("ipvs backend, with a table", () => {
  let namespace: Namespace;
  let target: LbTarget;
  let backend: IpvsBackend;
  beforeEach(async () => {
    services.clear();
    namespace = await freshNamespace("ipvs");
    target = { kind: "sandbox", id: "sandbox/c", sandbox: "c", netns: namespace.path };
    backend = new IpvsBackend();
  });
  afterEach(async () => {
    backend.close();
    await namespace.remove();
  });

  async function become(text: string): Promise<void> {
    const desired = parseState(text);
    await backend.apply(target, diff(await backend.read(target, []), desired), desired);
  }

  test("what drops published connections is forgotten with the last published port", async () => {
    target = { kind: "host", id: "host", bridge: "e11-gw", netns: namespace.path };
    await namespace.run("nft", "add", "table", "inet", "fw");
    await namespace.run("nft", "add chain inet fw forward { type filter hook forward priority 0; policy drop; }");
    await become("published tcp 8080 to 172.18.0.2 8080 over e11-gw");
    expect(backend.blocked(target)).toContain("nft insert rule inet fw forward");
    await become("");
    expect(backend.blocked(target)).toBe(undefined);
  });

  test("of a namespace that is gone, nothing is remembered", async () => {
    target = { kind: "host", id: "host", bridge: "e11-gw", netns: namespace.path };
    await namespace.run("nft", "add", "table", "inet", "fw");
    await namespace.run("nft", "add chain inet fw forward { type filter hook forward priority 0; policy drop; }");
    const backends = [backend, new NftablesBackend()];
    for (const each of backends) {
      const desired = parseState("published tcp 8080 to 172.18.0.2 8080 over e11-gw");
      await each.apply(target, diff(await each.read(target, []), desired), desired);
      expect(each.blocked(target)).toContain("policy drop");
      each.forget(target);
      expect(each.blocked(target)).toBe(undefined);
      expect((await each.taken(target)).size).toBe(0);
      await each.clear(target);
    }
  });

  test("an address that looks like one of ours stays in a container's namespace", async () => {
    inNetns(namespace.path, () => addAddress({ address: "10.0.1.4", prefix: 32, device: "lo", protocol: 11 }));
    await become("address 10.0.1.4 lo");
    await become("");
    expect(await namespace.run("ip", "-br", "address", "show", "dev", "lo")).toContain("10.0.1.4/32");
  });

  const [WEB, API] = ["server web/net/4 10.0.1.4 mark 256 local", "server api/net/6 fd00::4 mark 257 local"];
  const both = (scheduler: string): string => `
    ${WEB} ${scheduler}
      10.0.1.5 1
    ${API} rr
      fd00::5 1
    address 10.0.1.4 lo
    address fd00::4 lo`;

  test("a kernel without a scheduler: the error says which, and how to load it; the other services are there", async () => {
    await expect(become(both("mh"))).rejects.toThrow(
      /^sandbox\/c: IPVS: .*mark 256 mh.*no scheduler mh.*modprobe ip_vs_mh/,
    );
    expect([...services.keys()]).toEqual(["257 6"]);
    ipvs.schedulers.push("mh");
    await become(both("mh"));
    expect(stateText(await backend.read(target, []))).toBe(stateText(parseState(both("mh"))));
    ipvs.schedulers.pop();
  });

  test.each([
    ["damaged", ["add", "rule", "inet", "eleven", "marking-leaving", "accept"]],
    ["of another version", ["add", "counter", "inet", "eleven", "of-later"]],
  ])("services of a table that is %s go where they are not wanted any more", async (_, damage) => {
    await become(both("rr"));
    expect([...services.keys()]).toEqual(["256 4", "257 6"]);
    await namespace.run("nft", ...damage);
    const successor = new IpvsBackend();
    expect(await successor.read(target, [])).toEqual({ ...EMPTY });
    const desired = parseState(`${WEB} rr\n  10.0.1.5 1`);
    await successor.apply(target, diff(EMPTY, desired), desired);
    expect([...services.keys()]).toEqual(["256 4"]);
  });
});
