/** Addresses are changed while somebody else holds the lock of all interfaces: whoever answers on this thread goes on. */
import { describe, expect, onTestFinished, test } from "vitest";
import { exec } from "../../src/os/exec.ts";
import { changeAddresses } from "../../src/os/netlink/change-addresses.ts";
import { freshNamespace, type Namespace, privileged } from "./namespaces.ts";

describe.skipIf(!privileged())("addresses", () => {
  async function made(label: string): Promise<Namespace> {
    const namespace = await freshNamespace(label);
    onTestFinished(() => namespace.remove());
    return namespace;
  }
  const VIPS = ["10.9.0.1/32", "10.9.0.2/32", "fd00::9/128"].map((text) => {
    const [address = "", prefix] = text.split("/");
    return { address, prefix: Number(prefix), device: "lo" };
  });
  const there = async ({ run }: Namespace) =>
    [...(await run("ip", "-o", "address", "show", "dev", "lo")).matchAll(/inet6? (\S+)/g)]
      .map(([, address]) => address!)
      .filter((address) => !/^(127|::1)/.test(address))
      .sort();

  test("all at once; what is there, or gone, already is no error", async () => {
    const host = await made("all");
    for (let i = 0; i < 2; i++) await changeAddresses(host.path, { added: VIPS, removed: [] });
    expect(await there(host)).toEqual(["10.9.0.1/32", "10.9.0.2/32", "fd00::9/128"]);
    for (let i = 0; i < 2; i++) await changeAddresses(host.path, { added: [VIPS[0]!], removed: VIPS.slice(1) });
    expect(await there(host)).toEqual(["10.9.0.1/32"]);
  });

  test.each([
    ["an interface that is not there", { device: "eth9" }, "address add 10.9.0.1/32 on eth9: ENODEV"],
    ["a name that none can have", { device: "a".repeat(16) }, `address add 10.9.0.1/32 on ${"a".repeat(16)}: ENODEV`],
    ["a prefix that is too long", { prefix: 33 }, "address add 10.9.0.1/33 on lo: EINVAL"],
  ])("%s: said, and all others are there", async (_, wrong, message) => {
    const host = await made("wrong");
    const changed = changeAddresses(host.path, { added: [{ ...VIPS[0]!, ...wrong }, VIPS[1]!], removed: [] });
    await expect(changed).rejects.toThrow(message);
    expect(await there(host)).toEqual(["10.9.0.2/32"]);
    await changeAddresses(host.path, { added: [], removed: [{ ...VIPS[0]!, device: "eth9" }] });
  });

  test("while a namespace with a thousand interfaces ends: this thread does not wait", async () => {
    const [host, dying] = [await made("mine"), await made("dying")];
    const pairs = Array.from({ length: 500 }, (_, i) => `link add v${i} type veth peer name w${i}`);
    await exec("ip", ["-n", dying.name, "-batch", "-"], { input: pairs.join("\n") });
    await dying.remove();
    let [longest, waited] = [0, 0];
    const until = performance.now() + 20_000;
    while (waited < 15 && performance.now() < until) {
      for (const change of [
        { added: VIPS, removed: [] },
        { added: [], removed: VIPS },
      ]) {
        const began = performance.now();
        const changed = changeAddresses(host.path, change);
        longest = Math.max(longest, performance.now() - began);
        await changed;
        waited = Math.max(waited, performance.now() - began);
      }
    }
    console.log(`the longest change took ${Math.round(waited)} ms, ${longest.toFixed(1)} of them on this thread`);
    expect(longest).toBeLessThan(waited / 2);
  });
});
