import { describe, expect, test } from "vitest";
import { LbError } from "../../src/lb-programmer/backends/backend.ts";
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import { rest } from "./fake-clock.ts";
import { lines, network, rig, sandbox, statusText } from "./rig.ts";
import { parseState } from "./state-text.ts";

const WEB = "server web/n/4 10.0.1.4 mark 256 local rr";
const ADDRESS = "address 10.0.1.4 lo";
const web = (...tasks: string[]): string => [WEB, ...tasks, ADDRESS].join("\n");

describe("install", () => {
  test("what the plan says is there once `installed` resolves", async () => {
    const { reconciler, want, kernel, events } = rig();
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    const revision = want("c1", web("10.0.1.5 1"));
    expect(await reconciler.installed(revision)).toEqual({ degraded: [], late: [] });
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 1")));
    expect(kernel("c2")).toBe("");
    expect(reconciler.status().map(statusText)).toEqual(["c1 equal at 1", "c2 equal at 1"]);
    expect(events.toSorted()).toEqual(["c1 equal at 1", "c2 equal at 1"]);
  });

  test("without targets there is nothing to wait for", async () => {
    expect(await rig().reconciler.installed(7)).toEqual({ degraded: [], late: [] });
  });

  test("it reads at the start only: a change is its steps, and no change is no call", async () => {
    const { reconciler, want, steps } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    expect(steps("c1")).toEqual([
      "read",
      "server.add web/n/4 10.0.1.4 mark 256 local rr",
      "destination.add web/n/4 10.0.1.5 1",
      "address.add 10.0.1.4 lo",
    ]);
    await reconciler.installed(want("c1", web("10.0.1.5 1", "10.0.1.6 1")));
    expect(steps("c1")).toEqual(["destination.add web/n/4 10.0.1.6 1"]);
    await reconciler.installed(want("c1", web("10.0.1.6 1", "10.0.1.5 1")));
    expect(steps("c1")).toEqual([]);
  });

  test("where the plan is the very same, there is no pass, and nothing is said; where it is not, or somebody has doubts, there is", async () => {
    const { reconciler, backend, events, want } = rig();
    const state = parseState("server web/n/4 10.0.1.4 mark 256 local rr\n  10.0.1.5 1");
    reconciler.add(sandbox("c"));
    await reconciler.installed(want("c", state));
    await rest();
    events.length = 0;
    await reconciler.installed(want("c", { ...state }));
    expect([events, reconciler.status().map(statusText)]).toEqual([[], ["c equal at 2"]]);
    await reconciler.installed(want("c", { ...state, servers: [...state.servers] }));
    expect(events).toEqual(["c working at 2", "c equal at 3"]);
    await rest();
    backend.calls.length = 0;
    reconciler.check();
    await reconciler.installed(want("c", { ...state }));
    expect(backend.calls.map(({ call }) => call)).toEqual(["read"]);
  });

  test("what is in the kernel already is left as it is", async () => {
    const { backend, reconciler, want, steps } = rig();
    const state = `${web("10.0.1.5 1")}\nsysctl net/x 1`;
    backend.set("c1", parseState(state));
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", state));
    expect(steps("c1")).toEqual(["read", "read"]); // the second time with the sysctl that the plan names
  });

  test("requests during a pass become one more", async () => {
    const { backend, reconciler, want, steps, kernel } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    steps("c1");
    const held = hold(backend, "apply");
    want("c1", web("10.0.1.5 1", "10.0.1.6 1"));
    await held.reached;
    for (let n = 7; n < 20; n++) want("c1", web("10.0.1.5 1", "10.0.1.6 1", `10.0.1.${n} 1`));
    const done = reconciler.installed(15);
    held.go();
    await done;
    expect(backend.calls.filter((c) => c.call === "apply")).toHaveLength(2);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 1", "10.0.1.6 1", "10.0.1.19 1")));
  });

  test("with a least interval between passes, requests meanwhile wait for each other", async () => {
    const { backend, clock, reconciler, want, kernel } = rig({ intervals: { min: 100 } });
    reconciler.add(sandbox("c1"));
    await rest();
    want("c1", web("10.0.1.5 1"));
    await clock.advance(99);
    want("c1", web("10.0.1.6 1"));
    expect(kernel("c1")).toBe("");
    await clock.advance(1);
    expect(kernel("c1")).toBe(lines(web("10.0.1.6 1")));
    expect(backend.calls.filter((c) => c.call === "apply")).toHaveLength(1);
  });

  test("`installed` is about its revision: it does not wait for later ones, and says who is late", async () => {
    const { backend, clock, reconciler, want } = rig();
    reconciler.add(sandbox("c1"));
    const first = want("c1", web("10.0.1.5 1"));
    await reconciler.installed(first);
    const held = hold(backend, "apply");
    const second = want("c1", web("10.0.1.5 1", "10.0.1.6 1"));
    await held.reached;
    expect(await reconciler.installed(first)).toEqual({ degraded: [], late: [] });
    const waited = reconciler.installed(second, { timeout: 300 });
    await clock.advance(300);
    expect((await waited).late.map(statusText)).toEqual(["c1 working at 1"]);
    held.go();
    await reconciler.installed(second);
  });

  test("no more targets at a time than allowed", async () => {
    const { backend, reconciler } = rig({ concurrency: 3 });
    let [now, most] = [0, 0];
    backend.before = async () => {
      most = Math.max(most, ++now);
      await rest();
      now--;
    };
    for (let i = 0; i < 20; i++) reconciler.add(sandbox(`c${i}`));
    await reconciler.installed(0);
    expect(most).toBe(3);
    most = 0;
    const removed = reconciler.status().map(({ target }) => reconciler.remove(target));
    for (let i = 0; i < 20; i++) reconciler.add(sandbox(`c${i}`)); // each waits until it has been cleared
    await Promise.all(removed);
    await reconciler.installed(0);
    expect(most).toBeLessThanOrEqual(6); // three are cleared, three others are worked on
  });
});

describe("what leaves", () => {
  const TWO = web("10.0.1.5 1", "10.0.1.6 1");
  const ONE = web("10.0.1.6 1");

  test("a task gets weight 0 at once, and goes when names are changed and nobody is connected", async () => {
    const { reconciler, want, kernel, events } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", TWO));
    const revision = want("c1", ONE);
    await reconciler.installed(revision);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 0", "10.0.1.6 1")));
    expect(reconciler.status().map(statusText)).toEqual(["c1 equal at 2, 1 leaving"]);
    reconciler.release(revision - 1);
    await rest();
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 0", "10.0.1.6 1")));
    reconciler.release(revision);
    await rest();
    expect(kernel("c1")).toBe(lines(ONE));
    expect(reconciler.status().map(statusText)).toEqual(["c1 equal at 2"]);
    expect(events.at(-1)).toBe("c1 equal at 2, 1 leaving");
  });

  test("what left may go with its own revision, whatever came later", async () => {
    const { reconciler, want, kernel } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", TWO));
    const gone = want("c1", ONE);
    await reconciler.installed(gone);
    await reconciler.installed(want("c1", web("10.0.1.6 1", "10.0.1.7 1")));
    reconciler.release(gone);
    await rest();
    expect(kernel("c1")).toBe(lines(web("10.0.1.6 1", "10.0.1.7 1")));
  });

  test.each([
    ["connections that end", undefined, 3_000, true],
    ["connections that don't: 10 s", undefined, 60_000, false],
    ["as long as the service says", 4, 60_000, false],
    ["no time at all", 0, 60_000, false],
  ])("a task with %s", async (_, drain, ends, ended) => {
    const { backend, clock, reconciler, want, kernel, steps } = rig();
    const own = (text: string): string =>
      drain === undefined ? text : text.replace("local rr", `local rr drain ${drain}`);
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", own(TWO)));
    backend.connect("c1", "web/n/4", "10.0.1.5", 2);
    reconciler.release(want("c1", own(ONE)));
    const time = (ended ? ends : (drain ?? 10) * 1000) - 1;
    await rest();
    if (time > 0) {
      await clock.advance(time);
      expect(kernel("c1")).toBe(lines(web("10.0.1.5 0", "10.0.1.6 1")));
    }
    if (ended) backend.connect("c1", "web/n/4", "10.0.1.5", 0);
    steps("c1");
    await clock.advance(1);
    expect(kernel("c1")).toBe(lines(ONE));
  });

  test("connections that can't be counted have their time", async () => {
    const { backend, clock, reconciler, want, kernel } = rig();
    backend.connections = async () => {
      throw new LbError("missing", sandbox("c1"), "conntrack is not installed");
    };
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", TWO));
    reconciler.release(want("c1", ONE));
    await clock.advance(9_999);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 0", "10.0.1.6 1")));
    await clock.advance(1);
    expect(kernel("c1")).toBe(lines(ONE));
    expect(reconciler.status().map(statusText)).toEqual(["c1 equal at 2"]);
  });

  test("the time counts from when the task began to drain, and a draining task stays as long as it is planned", async () => {
    const { backend, clock, reconciler, want, kernel } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", TWO));
    backend.connect("c1", "web/n/4", "10.0.1.5", 2);
    reconciler.release(want("c1", web("10.0.1.5 0", "10.0.1.6 1")));
    await clock.advance(60_000);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 0", "10.0.1.6 1")));
    reconciler.release(want("c1", ONE));
    await rest();
    expect(kernel("c1")).toBe(lines(ONE));
  });

  test("a task that comes back has its weight again, and leaves anew", async () => {
    const { backend, clock, reconciler, want, kernel } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", TWO));
    backend.connect("c1", "web/n/4", "10.0.1.5", 2);
    reconciler.release(want("c1", ONE));
    await clock.advance(6_000);
    reconciler.release(want("c1", TWO));
    await rest();
    expect(kernel("c1")).toBe(lines(TWO));
    reconciler.release(want("c1", ONE));
    await clock.advance(9_999);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 0", "10.0.1.6 1")));
    await clock.advance(1);
    expect(kernel("c1")).toBe(lines(ONE));
  });

  test("a service stays as it is until names are changed, drains, and takes its address along when it goes", async () => {
    const { backend, clock, reconciler, want, kernel } = rig();
    const api = "server api/n/4 10.0.1.8 mark 257 local rr\n 10.0.1.9 1\n address 10.0.1.8 lo";
    const all = `${TWO.replace("local rr", "local rr drain 3")}\n${api}\nsnat 10.0.1.0/24 to 10.0.1.3`;
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", all));
    backend.connect("c1", "web/n/4", "10.0.1.5", 1);
    const revision = want("c1", api);
    await reconciler.installed(revision);
    expect(kernel("c1")).toBe(lines(all));
    reconciler.check(); // what is read from the kernel says nothing about time
    reconciler.release(revision);
    await rest();
    expect(kernel("c1")).toBe(lines(`${web("10.0.1.5 0")}\n${api}\nsnat 10.0.1.0/24 to 10.0.1.3`));
    reconciler.check();
    await clock.advance(2_999);
    expect(reconciler.status().map(statusText)).toEqual(["c1 equal at 2, 3 leaving"]);
    await clock.advance(1);
    expect(kernel("c1")).toBe(lines(api));
  });

  test("a service goes at once if another one has its VIP", async () => {
    const { reconciler, want, kernel } = rig();
    const api = "server api/n/4 10.0.1.4 mark 257 local rr\n 10.0.1.9 1\n address 10.0.1.4 lo";
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", TWO));
    await reconciler.installed(want("c1", api));
    expect(kernel("c1")).toBe(lines(api));
  });

  test("published ports stay until names are changed; one that leads elsewhere is changed at once", async () => {
    const { reconciler, want, kernel } = rig();
    const before = "published tcp 80 to 172.18.0.2 80 over br\n published tcp 81 to 172.18.0.2 81 over br";
    reconciler.add(sandbox("host"));
    await reconciler.installed(want("host", before));
    const revision = want("host", "published tcp 80 to 172.18.0.9 80 over br");
    await reconciler.installed(revision);
    expect(kernel("host")).toBe(lines(`published tcp 80 to 172.18.0.9 80 over br\n${before.split("\n")[1]}`));
    reconciler.release(revision);
    await rest();
    expect(kernel("host")).toBe(lines("published tcp 80 to 172.18.0.9 80 over br"));
  });
});

describe("targets", () => {
  test("removed, nothing of ours is left there; added again meanwhile, it waits for that", async () => {
    const { backend, reconciler, want, kernel, steps } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    steps("c1");
    const held = hold(backend, "clear");
    const removed = reconciler.remove("c1");
    await held.reached;
    expect(reconciler.status()).toEqual([]);
    reconciler.add(sandbox("c1"));
    await rest();
    held.go();
    await removed;
    await reconciler.installed(1);
    expect(steps("c1").slice(0, 3)).toEqual(["clear", "read", "server.add web/n/4 10.0.1.4 mark 256 local rr"]);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 1")));
  });

  test("between two that are cleared, others have a turn", async () => {
    const { backend, reconciler } = rig();
    for (const id of ["c1", "c2", "c3"]) reconciler.add(sandbox(id));
    await reconciler.installed(0);
    const order: string[] = [];
    backend.before = async (call) => {
      order.push(call);
      setImmediate(() => order.push("others"));
    };
    await Promise.all(["c1", "c2", "c3"].map((id) => reconciler.remove(id)));
    expect(order.slice(0, 5)).toEqual(["clear", "others", "clear", "others", "clear"]);
  });

  test("removing one that nobody knows is fine; that it failed is told", async () => {
    const { backend, reconciler } = rig();
    await reconciler.remove("nobody");
    reconciler.add(sandbox("c1"));
    backend.fail({ call: "clear", message: "the device is busy" });
    await expect(reconciler.remove(sandbox("c1"))).rejects.toThrow("c1: the device is busy");
  });

  test("one whose namespace is gone is dropped, and said to be", async () => {
    const { backend, reconciler, want, events } = rig();
    const forgotten: string[] = [];
    Object.assign(backend, { forget: ({ id }: { id: string }) => forgotten.push(id) });
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    backend.destroy("c1");
    expect(await reconciler.installed(want("c1", web("10.0.1.6 1")))).toEqual({ degraded: [], late: [] });
    expect(events.at(-1)).toBe("c1 gone");
    expect(forgotten).toEqual(["c1"]);
    expect(reconciler.status().map(statusText)).toEqual(["c2 equal at 2"]);
  });

  test("one that is gone from the start does not hold up others", async () => {
    const { backend, reconciler, want, kernel } = rig();
    backend.destroy("c1");
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    await reconciler.installed(want("c2", web("10.0.1.5 1")));
    expect(kernel("c2")).toBe(lines(web("10.0.1.5 1")));
  });

  test("added with other properties, it is planned with those", async () => {
    const seen: unknown[] = [];
    const { reconciler, backend } = rig({
      plan: (target) => {
        seen.push(target);
        return { ...({ addresses: [], servers: [], snats: [], redirects: [], published: [], sysctls: {} } as const) };
      },
    });
    reconciler.add(sandbox("c1"));
    await reconciler.installed(0);
    reconciler.add(sandbox("c1"));
    await reconciler.installed(0);
    expect(seen).toEqual([sandbox("c1")]);
    reconciler.add({ ...sandbox("c1"), netns: "/run/netns/c1" });
    await reconciler.installed(0);
    expect(seen.at(-1)).toEqual({ ...sandbox("c1"), netns: "/run/netns/c1" });
    expect(backend.watching("c1")).toBe(1);
  });

  test("in another namespace it is made from the beginning, and that is no repair", async () => {
    const { backend, reconciler, want, kernel, events } = rig();
    reconciler.add({ ...sandbox("c1"), netns: "/old" });
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    const calls: string[] = [];
    let go = (): void => {};
    backend.before = async (call, { netns }) => {
      calls.push(`${call} ${netns}`);
      if (calls.length === 1) await new Promise<void>((resolve) => (go = resolve));
    };
    reconciler.check(["c1"]);
    await rest();
    const revision = want("c1", web("10.0.1.6 1"));
    reconciler.add({ ...sandbox("c1"), netns: "/new" });
    backend.before = async (call, { netns }) => {
      if (netns === "/new" && calls.at(-1)?.endsWith("/old")) backend.flush("c1", { silently: true });
      calls.push(`${call} ${netns}`);
    };
    go();
    await reconciler.installed(revision);
    expect(calls).toEqual(["read /old", "apply /old", "read /new", "apply /new"]);
    expect(kernel("c1")).toBe(lines(web("10.0.1.6 1")));
    expect(events.filter((event) => event.includes("repaired"))).toEqual([]);
  });

  test("closed, everything stays as it is and nothing is set any more", async () => {
    const { backend, clock, reconciler, want, kernel } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    want("c1", web("10.0.1.6 1"));
    const late = reconciler.installed(2);
    await reconciler.close();
    await late;
    expect(clock.pending).toBe(0);
    expect(backend.watching("c1")).toBe(0);
    const after = kernel("c1");
    backend.flush("c1");
    await clock.advance(100_000);
    expect(after).toContain("web/n/4");
    expect(kernel("c1")).toBe("");
  });
});

test("a listener that throws is told, is not taken for a failure, and does not end the process", async () => {
  const errors: unknown[] = [];
  const { reconciler, want, kernel } = rig({ onError: (error) => errors.push((error as Error).message) });
  reconciler.on("status", () => {
    throw new Error("a bug of theirs");
  });
  reconciler.add(sandbox("c1"));
  await reconciler.installed(want("c1", web("10.0.1.5 1")));
  await rest();
  expect(kernel("c1")).toBe(lines(web("10.0.1.5 1")));
  expect(reconciler.status().map(statusText)).toEqual(["c1 equal at 1"]);
  expect(errors).toEqual(["a bug of theirs"]);
});

describe("marks", () => {
  test("those in the host's own namespaces are known before the first plan", async () => {
    const given: number[] = [];
    const r = rig({
      plan: () => {
        given.push(r.marks.of("new/n/4"));
        return parseState("");
      },
    });
    r.backend.set("lb", parseState(web("10.0.1.5 1")));
    r.reconciler.add(sandbox("c1"));
    r.reconciler.add(network("lb"));
    await r.reconciler.installed(0);
    expect(new Set(given)).toEqual(new Set([257]));
  });

  test("what is in a container's namespace is not believed: its servers get the marks that they should have", async () => {
    const { backend, reconciler, want, kernel, marks } = rig();
    backend.set("c1", parseState(web("10.0.1.5 1").replace("mark 256", "mark 4194303")));
    reconciler.add(sandbox("c1"));
    await reconciler.installed(want("c1", web("10.0.1.5 1").replace("256", `${marks.of("web/n/4")}`)));
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 1")));
    expect(marks.entries()).toEqual([["web/n/4", 256]]);
  });

  test("free again once no namespace has the server any more", async () => {
    const { reconciler, want, marks } = rig();
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    marks.of("web/n/4");
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    await reconciler.installed(want("c2", web("10.0.1.5 1")));
    reconciler.release(want("c1", ""));
    await rest();
    expect(marks.of("other/n/4")).toBe(257);
    reconciler.release(want("c2", ""));
    await rest();
    expect(marks.of("third/n/4")).toBe(256);
  });
});

/** Holds the next call back until `go`. */
function hold(backend: ReturnType<typeof rig>["backend"], call: "read" | "apply" | "clear") {
  let [reach, go] = [() => {}, () => {}];
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  backend.before = async (which) => {
    if (which !== call) return;
    backend.before = undefined;
    reach();
    await gone;
  };
  return { reached, go };
}

test("what others drop makes a target degraded, until they do not; what it holds is there all the same", async () => {
  let blocked: string | undefined = "dropped by inet filter forward";
  const backend = Object.assign(new FakeBackend(), { blocked: () => blocked });
  const { reconciler, want, events, clock, kernel } = rig({}, backend);
  reconciler.add(sandbox("c1"));
  const revision = want("c1", "server web/mynet/4 10.0.1.4 mark 256 local rr\n10.0.1.5 1");
  const { degraded, late } = await reconciler.installed(revision);
  expect([degraded.length, late.length]).toEqual([1, 0]);
  expect(events.at(-1)).toBe(`c1 degraded at ${revision}: dropped by inet filter forward`);
  expect(kernel("c1")).toContain("10.0.1.5 1");
  blocked = undefined;
  await clock.advance(30_000);
  expect(events.at(-1)).toBe(`c1 equal at ${revision}`);
});
