/** Verbs for a running agent: ask it, look at it, tend it. */
import { type Command, Option } from "commander";
import {
  type Act,
  type Doing,
  examples,
  filterOption,
  formatOption,
  quietOption,
  timeoutOption,
  whole,
} from "./doing.ts";

export function addAgentCommands(root: Command, doing: Doing): void {
  addAsking(root, doing);
  addBalance(root, doing);
  addLooking(root, doing);
  addTending(root, doing);
}

const FROM = "whose eyes it is seen with; may be left out where there is one";

function addAsking(root: Command, doing: Doing): void {
  const query = root
    .command("query")
    .description("what a sandbox would be answered")
    .argument("<NAME>", "the name")
    .argument("[TYPE]", "A, AAAA, SRV, PTR, TXT, ...; default: A")
    .option("--from <SANDBOX>", FROM)
    .addOption(formatOption())
    .addOption(quietOption("what the records say, and nothing else"));
  doing(query, async () => (await import("./ask.ts")).query);
  examples(query, "eleven query web --from client", "eleven query _http._tcp.web SRV --from client -q");
  const explain = root
    .command("explain")
    .description("why it would be answered so: networks tried, claims met, tasks behind a virtual IP, upstreams")
    .argument("<NAME>", "the name")
    .argument("[TYPE]", "default: A")
    .option("--from <SANDBOX>", FROM)
    .addOption(formatOption());
  doing(explain, async () => (await import("./ask.ts")).explain);
  examples(explain, "eleven explain web --from client");
}

function addBalance(root: Command, doing: Doing): void {
  const lb = root.command("lb").description("the load balancer in the kernel");
  const balance = async () => import("./balance.ts");
  const show = lb
    .command("show")
    .description("each namespace that is balanced in, or all that is in one")
    .argument("[TARGET]", "which; default: all of them")
    .addOption(formatOption());
  doing(show, async () => (await balance()).showBalance);
  const diff = lb
    .command("diff")
    .description("what is other in the kernel than it should be; exit code 1 if anything is");
  doing(diff.addOption(formatOption()), async () => {
    const { diffBalance } = await balance();
    return (call) => diffBalance(call, false);
  });
  const verify = lb.command("verify").description("whether the kernel is as it should be; exit code 1 if not");
  doing(verify.addOption(formatOption()), async () => {
    const { diffBalance } = await balance();
    return (call) => diffBalance(call, true);
  });
  const repair = lb.command("repair").description("look at the kernel now, and put right what somebody has changed");
  doing(repair.addOption(formatOption()), async () => (await balance()).repairBalance);
}

function addLooking(root: Command, doing: Doing): void {
  const status = root
    .command("status")
    .description("whether it is well, and what is the matter if not")
    .addOption(formatOption());
  doing(status, async () => (await import("./status.ts")).status);
  const events = root
    .command("events")
    .description("what happens, a line each, as it happens")
    .addOption(new Option("--since <REVISION>", "everything after this revision first").argParser(whole))
    .addOption(filterOption("event (change, problem, upstream, status, repaired, config), kind, id"))
    .addOption(formatOption());
  doing(events, async () => (await import("./follow.ts")).followEvents);
  examples(events, "eleven events --filter kind=task", "eleven events --since 120 --format json");
  const upstream = root.command("upstream").description("where names of others are asked");
  const ls = upstream
    .command("ls")
    .description("list them, and who answers")
    .addOption(filterOption("address, of"))
    .addOption(formatOption())
    .addOption(quietOption("addresses only"));
  doing(ls, async () => (await import("./tend.ts")).listUpstreams);
}

function addTending(root: Command, doing: Doing): void {
  const tend = (pick: (acts: typeof import("./tend.ts")) => Act) => async () => pick(await import("./tend.ts"));
  const cache = root.command("cache").description("answers of upstreams that are kept");
  const flush = cache.command("flush").description("forget them").addOption(formatOption());
  doing(
    flush,
    tend(({ flushCache }) => flushCache),
  );
  const wait = root
    .command("wait")
    .description("until a revision is in force everywhere")
    .addOption(new Option("--revision <REVISION>", "which; default: the one that is written now").argParser(whole))
    .addOption(
      new Option("--for <WHAT>", "in names and kernel, or those who left have finished, too")
        .choices(["applied", "drained"])
        .default("applied"),
    )
    .addOption(timeoutOption());
  doing(
    wait,
    tend((acts) => acts.wait),
  );
  examples(wait, "eleven wait --revision 42 --timeout 10");
  const reload = root
    .command("reload")
    .description("read the config anew; if anything in it is wrong, nothing changes")
    .addOption(timeoutOption());
  doing(
    reload,
    tend((acts) => acts.reload),
  );
}
