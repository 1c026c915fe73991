import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeBackend } from "../../src/lb-programmer/backends/fake.ts";
import { diff } from "../../src/lb-programmer/diff.ts";
import type { Installed } from "../../src/lb-programmer/reconcile/reconciler-options.ts";
import { EMPTY, type LbState } from "../../src/lb-programmer/state.ts";
import { FakeClock, rest } from "./fake-clock.ts";
import { randomState } from "./random-state.ts";
import { lines, network, rig, sandbox, statusText } from "./rig.ts";
import { parseState, stateText } from "./state-text.ts";

const web = (...tasks: string[]): string =>
  ["server web/n/4 10.0.1.4 mark 256 local rr", ...tasks, "address 10.0.1.4 lo"].join("\n");

describe("failures", () => {
  test("are a state with a reason, tried again at growing intervals; other targets go on", async () => {
    const { backend, clock, reconciler, want, kernel, events } = rig({ intervals: { retry: [100, 1000] } });
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    await reconciler.installed(0);
    backend.fail({ target: "c1", times: Number.POSITIVE_INFINITY, message: "nft: Operation not permitted" });
    want("c2", web("10.0.1.5 1"));
    const { degraded } = await reconciler.installed(want("c1", web("10.0.1.5 1")));
    expect(degraded.map(statusText)).toEqual(["c1 degraded at 0: c1: nft: Operation not permitted"]);
    expect(kernel("c2")).toBe(lines(web("10.0.1.5 1")));

    const tries = (): number => backend.calls.splice(0).filter((c) => c.target === "c1" && c.call === "apply").length;
    tries();
    const after = [];
    for (const ms of [99, 1, 199, 1, 399, 1, 799, 1, 999, 1, 999, 1]) {
      await clock.advance(ms);
      after.push(tries());
    }
    expect(after).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);

    backend.succeed();
    await clock.advance(1000);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 1")));
    expect(events.slice(-1)).toEqual(["c1 equal at 2"]);
    expect(reconciler.status().map(statusText)).toEqual(["c1 equal at 2", "c2 equal at 2"]);
  });

  test("a new request is tried at once", async () => {
    const { backend, reconciler, want, kernel } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(0);
    backend.fail({ times: 3 });
    for (const task of ["5", "6", "7"]) {
      const { degraded } = await reconciler.installed(want("c1", web(`10.0.1.${task} 1`)));
      expect(degraded).toHaveLength(1);
    }
    expect(await reconciler.installed(want("c1", web("10.0.1.8 1")))).toEqual({ degraded: [], late: [] });
    expect(kernel("c1")).toBe(lines(web("10.0.1.8 1")));
  });

  test("while it is tried again, `installed` waits for that", async () => {
    const { backend, clock, reconciler, want } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(0);
    backend.fail();
    const revision = want("c1", web("10.0.1.5 1"));
    await reconciler.installed(revision);
    let go = (): void => {};
    backend.before = () => new Promise((resolve) => (go = resolve));
    await clock.advance(200);
    let answered = false;
    const installed = reconciler.installed(revision).finally(() => (answered = true));
    await rest();
    expect(answered).toBe(false);
    backend.before = undefined;
    go();
    expect(await installed).toEqual({ degraded: [], late: [] });
  });

  test("after a failure it looks what is there before it goes on", async () => {
    const { backend, clock, reconciler, want, steps } = rig();
    reconciler.add(sandbox("c1"));
    await reconciler.installed(0);
    steps("c1");
    backend.fail({ after: 1 });
    await reconciler.installed(want("c1", web("10.0.1.5 1")));
    expect(steps("c1")).toEqual(["server.add web/n/4 10.0.1.4 mark 256 local rr"]);
    await clock.advance(200);
    expect(steps("c1")).toEqual(["read", "destination.add web/n/4 10.0.1.5 1", "address.add 10.0.1.4 lo"]);
  });

  test("one that can't be read at the start is degraded, and does not hold up others", async () => {
    const { backend, clock, reconciler, want, plan, kernel } = rig();
    plan("c1", web("10.0.1.5 1"));
    backend.fail({ target: "c1", call: "read", code: "missing", message: "nft is not installed" });
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    const { degraded } = await reconciler.installed(want("c2", web("10.0.1.5 1")));
    expect(degraded.map((d) => d.reason)).toEqual(["c1: nft is not installed"]);
    expect(kernel("c2")).not.toBe("");
    await clock.advance(200);
    expect(kernel("c1")).not.toBe("");
  });

  test("one of the host's own whose reading hangs holds up others for five seconds, no longer", async () => {
    const { backend, clock, reconciler, want, kernel } = rig();
    backend.before = (call, { id }) => (call === "read" && id === "lb" ? new Promise(() => {}) : undefined);
    reconciler.add(network("lb"));
    reconciler.add(sandbox("c2"));
    want("c2", web("10.0.1.5 1"));
    await clock.advance(4_999);
    expect(kernel("c2")).toBe("");
    await clock.advance(1);
    expect(kernel("c2")).not.toBe("");
  });

  test("a container's whose reading hangs holds up nobody", async () => {
    const { backend, reconciler, want, kernel } = rig();
    backend.before = (call, { id }) => (call === "read" && id === "c1" ? new Promise(() => {}) : undefined);
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    want("c2", web("10.0.1.5 1"));
    await rest();
    expect(kernel("c2")).not.toBe("");
  });

  test("a container's whose reading takes long holds up others once: then it waits for its like, and nobody for it", async () => {
    const { backend, clock, reconciler, want, kernel } = rig({ concurrency: 1 });
    backend.before = (call, { id }) =>
      call === "read" && id === "c1" ? new Promise((resolve) => void clock.after(4_000, resolve)) : undefined;
    reconciler.add(sandbox("c1"));
    reconciler.add(sandbox("c2"));
    want("c2", web("10.0.1.5 1"));
    await clock.advance(3_999);
    expect(kernel("c2")).toBe("");
    await clock.advance(1);
    expect(kernel("c2")).toBe(lines(web("10.0.1.5 1")));
    reconciler.check(["c1"]);
    want("c1", web("10.0.1.5 1"));
    const revision = want("c2", web("10.0.1.6 1"));
    expect((await reconciler.installed(revision, { slow: false })).late).toEqual([]);
    expect(kernel("c2")).toContain("10.0.1.6 1");
    expect(kernel("c1")).toBe("");
    await clock.advance(4_000);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 1")));
  });

  describe("of many that take their time", () => {
    /** Each of 20 takes a second, one after the other; c7 never ends, or not for long. */
    function twenty(c7: number) {
      const r = rig({ concurrency: 1 });
      r.backend.before = (call, { id }) =>
        call === "apply" ? new Promise((resolve) => void r.clock.after(id === "c7" ? c7 : 1_000, resolve)) : undefined;
      for (let i = 0; i < 20; i++) r.plan(`c${i}`, web("10.0.1.5 1"));
      for (let i = 0; i < 20; i++) r.reconciler.add(sandbox(`c${i}`));
      const revision = r.want("c0", web("10.0.1.5 1"));
      return { ...r, revision };
    }
    const lateOnes = ({ late }: Installed) => late.map(({ target }) => target).join(" ");

    test.each([
      ["all are there after 20 s, and that is waited for", true, 1_000, 20_000, ""],
      ["whoever does not want to, waits for 5 s", false, 1_000, 5_000, /^c4 .* c19$/],
      ["who holds up all others is waited for until nothing gets done for 5 s", true, 60_000, 15_000, /^c7 .* c19$/],
    ] as const)("%s", async (_, patient, c7, after, late) => {
      const { reconciler, clock, revision } = twenty(c7);
      let answer: Installed | undefined;
      void reconciler.installed(revision, { patient }).then((installed) => {
        answer = installed;
      });
      await clock.advance(after - 1);
      expect(answer).toBe(undefined);
      await clock.advance(1);
      if (late === "") expect(lateOnes(answer!)).toBe("");
      else expect(lateOnes(answer!)).toMatch(late);
    });
  });

  test("a plan that throws is one, too", async () => {
    const { reconciler } = rig({
      plan: () => {
        throw new Error("no such network");
      },
    });
    reconciler.add(sandbox("c1"));
    const { degraded } = await reconciler.installed(0);
    expect(degraded.map((d) => d.reason)).toEqual(["no such network"]);
  });
});

describe("drift", () => {
  const started = async () => {
    const r = rig();
    r.reconciler.add(sandbox("c1"));
    await r.reconciler.installed(r.want("c1", web("10.0.1.5 1", "10.0.1.6 1")));
    r.steps("c1");
    return r;
  };
  const whole = lines(web("10.0.1.5 1", "10.0.1.6 1"));

  test("that the backend sees is repaired within a second", async () => {
    const { backend, clock, kernel, events } = await started();
    backend.flush("c1");
    expect(kernel("c1")).toBe("");
    await clock.advance(250);
    expect(kernel("c1")).toBe(whole);
    expect(events.at(-1)).toBe("c1 repaired 4");
  });

  test("that it does not see is found by looking every 30 s", async () => {
    const { backend, clock, kernel, events } = await started();
    backend.flush("c1", { silently: true });
    await clock.advance(29_999);
    expect(kernel("c1")).toBe("");
    await clock.advance(1);
    expect(kernel("c1")).toBe(whole);
    expect(events.at(-1)).toBe("c1 repaired 4");
    backend.flush("c1", { silently: true });
    await clock.advance(30_000);
    expect(kernel("c1")).toBe(whole);
  });

  test("where the backend is sure that there is none, nothing is read for it", async () => {
    const { backend, clock, steps } = await started();
    let sure = true;
    Object.assign(backend, { unchanged: () => sure });
    await clock.advance(100_000);
    expect(steps("c1")).toEqual([]);
    sure = false;
    await clock.advance(30_000);
    expect(steps("c1")).toEqual(["read"]);
  });

  test("many words are one look, and a look that finds nothing changes nothing", async () => {
    const { backend, clock, steps, events } = await started();
    const before = events.length;
    for (let i = 0; i < 10; i++) {
      backend.changed("c1");
      await clock.advance(10);
    }
    await clock.advance(1000);
    expect(steps("c1")).toEqual(["read"]);
    expect(events).toHaveLength(before);
  });

  test("what somebody added in our place goes", async () => {
    const { backend, reconciler, clock, kernel } = await started();
    reconciler.release(1);
    backend.set("c1", parseState(`${web("10.0.1.5 1", "10.0.1.6 1", "10.0.1.66 1")}\naddress 10.0.1.67 lo`));
    await clock.advance(250);
    expect(kernel("c1")).toBe(whole);
  });

  test("`check` looks at once", async () => {
    const { backend, reconciler, kernel } = await started();
    backend.flush("c1", { silently: true });
    reconciler.check();
    await rest();
    expect(kernel("c1")).toBe(whole);
  });

  test("is repaired while a task drains, which goes on draining", async () => {
    const { backend, clock, reconciler, want, kernel } = await started();
    backend.connect("c1", "web/n/4", "10.0.1.5", 1);
    reconciler.release(want("c1", web("10.0.1.6 1")));
    await clock.advance(5_000);
    backend.set("c1", parseState("server web/n/4 10.0.1.4 mark 256 local rr\n 10.0.1.5 0"));
    await clock.advance(250);
    expect(kernel("c1")).toBe(lines(web("10.0.1.5 0", "10.0.1.6 1")));
    await clock.advance(4_750);
    expect(kernel("c1")).toBe(lines(web("10.0.1.6 1")));
  });
});

describe("killed and started again", () => {
  const A = `${web("10.0.1.5 1", "10.0.1.6 1")}\nsnat 10.0.1.0/24 to 10.0.1.3\npublished tcp 80 to 172.18.0.2 80 over br`;
  const B = `server web/n/4 10.0.1.4 mark 256 local lc
    10.0.1.6 1
    10.0.1.7 2
    server api/n/4 10.0.1.8 mark 257 local rr
    10.0.1.9 1
    address 10.0.1.4 lo
    address 10.0.1.8 lo
    snat 10.0.1.0/24 to 10.0.1.99
    published tcp 80 to 172.18.0.3 80 over br
    redirect 10.0.0.4 tcp 8080 to 80`;

  for (const [what, from, to] of [
    ["from one state to another", A, B],
    ["back", B, A],
    ["from nothing", "", B],
    ["to nothing", A, ""],
  ] as const) {
    const most = diff(parseState(from), parseState(to)).length + 2;
    test.each(Array.from({ length: most }, (_, n) => n))(`${what}, after %i steps`, async (steps) => {
      const backend = new FakeBackend();
      backend.set("c1", parseState(from));
      await killedAfter(backend, steps, parseState(to));
      const { reconciler, want, kernel, clock } = rig({}, backend);
      reconciler.add(sandbox("c1"));
      const revision = want("c1", to);
      expect(await reconciler.installed(revision)).toEqual({ degraded: [], late: [] });
      reconciler.release(revision);
      await clock.advance(20_000);
      expect(kernel("c1")).toBe(lines(to));
    });
  }

  /** A reconciler that never gets beyond so many steps, and is closed then. */
  async function killedAfter(backend: FakeBackend, steps: number, desired: LbState): Promise<void> {
    const { reconciler, want, clock } = rig({}, backend);
    backend.fail({ after: steps, times: Number.POSITIVE_INFINITY });
    reconciler.add(sandbox("c1"));
    reconciler.release(want("c1", desired));
    await clock.advance(10);
    await reconciler.close();
    backend.succeed();
  }

  test("any walk of states over several targets, with failures, floods of requests and flushes, ends where it should", async () => {
    const move = fc.oneof(
      { weight: 5, arbitrary: fc.record({ want: randomState(), target: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ fail: fc.nat(8), target: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ flush: fc.boolean(), target: fc.nat(2) }) },
      { weight: 2, arbitrary: fc.record({ pass: fc.nat(15_000) }) },
      { weight: 1, arbitrary: fc.constant({ restart: true }) },
      { weight: 2, arbitrary: fc.constant({ release: true }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 20 }), async (moves) => {
        const [backend, clock] = [new FakeBackend(), new FakeClock()];
        const targets = ["c0", "c1", "c2"];
        const wanted = new Map<string, LbState>(targets.map((t) => [t, EMPTY]));
        let [r, revision] = [rig({}, backend, clock), 0];
        const start = (): void => {
          for (const t of targets) {
            r.reconciler.add(sandbox(t));
            revision = r.want(t, wanted.get(t)!);
          }
        };
        start();
        for (const m of moves) {
          if ("want" in m) {
            wanted.set(`c${m.target}`, m.want);
            revision = r.want(`c${m.target}`, m.want);
          } else if ("fail" in m) backend.fail({ target: `c${m.target}`, after: m.fail });
          else if ("flush" in m) backend.flush(`c${m.target}`, { silently: m.flush });
          else if ("pass" in m) await clock.advance(m.pass);
          else if ("release" in m) r.reconciler.release(revision);
          else {
            await r.reconciler.close();
            r = rig({}, backend, clock);
            start();
          }
        }
        backend.succeed();
        await clock.advance(60_000); // the longest wait of retry, and the next look
        r.reconciler.release(revision);
        await clock.advance(11_000);
        for (const t of targets) expect(r.kernel(t)).toBe(stateText(wanted.get(t)!));
        expect(r.reconciler.status().map((s) => [s.state, s.leaving])).toEqual(targets.map(() => ["equal", 0]));
        await r.reconciler.close();
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
