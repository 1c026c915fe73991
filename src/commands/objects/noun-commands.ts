/** `eleven network|service|task|container|sandbox` and what can be done with them: made from the tables of nouns and flags. */
import { type Command, Option } from "commander";
import {
  type Act,
  another,
  type Doing,
  examples,
  filterOption,
  formatOption,
  quietOption,
  waiting,
  whole,
} from "../doing.ts";
import { flagsFor } from "./draft.ts";
import { KINDS, type Kind, NOUNS, type Noun } from "./nouns.ts";

export function addNouns(root: Command, doing: Doing): void {
  for (const kind of KINDS) {
    const noun = NOUNS[kind];
    const group = root.command(kind).description(noun.about);
    addReading(group, noun, doing);
    addWriting(group, noun, doing);
    if (kind === "service") addScale(group, doing);
  }
}

type Actions = typeof import("./objects.ts");

/** One of objects.ts, of this kind. */
const act =
  (noun: Noun, pick: (actions: Actions) => (call: Parameters<Act>[0], noun: Noun) => Promise<number>) =>
  async (): Promise<Act> => {
    const action = pick(await import("./objects.ts"));
    return (call) => action(call, noun);
  };

function addReading(group: Command, noun: Noun, doing: Doing): void {
  const { kind, plural } = noun;
  const word = kind.toUpperCase();
  const ls = group
    .command("ls")
    .alias("list")
    .description(`list ${plural}`)
    .addOption(filterOption("label=K[=V], name, network, service, source (a file, or api)"))
    .addOption(formatOption())
    .addOption(quietOption("ids only"))
    .option("--no-trunc", "cells in full: ids of 64 digits, not 12 of them");
  doing(
    ls,
    act(noun, ({ listObjects }) => listObjects),
  );
  examples(
    ls,
    `eleven ${kind} ls --filter ${kind === "network" ? "source=api" : "network=mynet"}`,
    `eleven ${kind} ls --format '{{.ID}} {{.Source}}'`,
  );
  const inspect = group
    .command("inspect")
    .description("all that is known of it, as JSON")
    .argument(`<${word}...>`, "ids or names")
    .addOption(formatOption());
  doing(
    inspect,
    act(noun, ({ inspectObjects }) => inspectObjects),
  );
}

function addWriting(group: Command, noun: Noun, doing: Doing): void {
  const { kind } = noun;
  const word = kind.toUpperCase();
  const named = kind === "task" || kind === "sandbox";
  const create = group.command("create").description(`make a ${kind}`);
  create.argument(named ? "[NAME]" : "<NAME>", named ? DEFAULT_NAMES[kind] : "its name, and its id");
  addFlags(create, kind, "create");
  if (kind === "service")
    create.addOption(new Option("--replicas <NUMBER>", "and so many tasks of it").argParser(whole));
  doing(
    writing(create),
    act(noun, ({ createObject }) => createObject),
  );
  examples(create, ...CREATED[kind]);
  const update = group.command("update").description("change some of it").argument(`<${word}>`, "id or name");
  addFlags(update, kind, "update");
  update.addOption(new Option("--unset <FIELD>", "back to its default, as inspect calls it").argParser(another));
  doing(
    writing(update),
    act(noun, ({ updateObject }) => updateObject),
  );
  examples(update, UPDATED[kind]);
  const remove = group
    .command("rm")
    .alias("remove")
    .description(kind === "service" ? "take it away, and its tasks" : "take it away")
    .argument(`<${word}...>`, "ids or names")
    .option("-f, --force", "nothing is wrong if it is not there");
  doing(
    writing(remove),
    act(noun, ({ removeObjects }) => removeObjects),
  );
}

const writing = (command: Command): Command =>
  waiting(command).option("--dry-run", "say what it would become, and change nothing");

function addFlags(command: Command, kind: Kind, verb: "create" | "update"): void {
  for (const { flags, about, many, choices } of flagsFor(kind, verb)) {
    const option = new Option(flags, about);
    if (choices !== undefined) option.choices([...choices]);
    if (many) option.argParser(another);
    command.addOption(option);
  }
}

function addScale(group: Command, doing: Doing): void {
  const scale = group
    .command("scale")
    .description("make tasks of it or take some away, until there are so many")
    .argument("<SERVICE=REPLICAS...>", "which, and how many");
  doing(writing(scale), async () => (await import("./scale.ts")).scaleServices);
  examples(scale, "eleven service scale web=5 api=2", "eleven service scale web=2 --wait drained");
}

const DEFAULT_NAMES = {
  task: "its id; default: SERVICE.SLOT",
  sandbox: "its id; default: that of its container or task",
};

const CREATED: Readonly<Record<Kind, readonly string[]>> = {
  network: [
    "eleven network create mynet",
    "eleven network create lan --driver bridge --subnet 10.7.0.0/24 --gateway 10.7.0.1",
  ],
  service: [
    "eleven service create web --network mynet --replicas 3 --publish 8080:80",
    "eleven service create db --network name=mynet,alias=postgres --endpoint-mode dnsrr --label tier=data",
  ],
  task: [
    "eleven task create --service web --slot 4",
    "eleven task create --service db --slot 1 --network name=mynet,ip=10.0.1.7",
  ],
  container: ["eleven container create client --network mynet --alias shell --ip 10.0.1.9"],
  sandbox: [
    "eleven sandbox create --container client --netns client",
    "eleven sandbox create --container client --listen 127.0.0.1:5300",
  ],
};

const UPDATED: Readonly<Record<Kind, string>> = {
  network: "eleven network update lan --upstream 10.7.0.1",
  service: "eleven service update web --publish-add 8443:443 --label-rm tier --drain 30",
  task: "eleven task update web.2 --health unhealthy",
  container: "eleven container update client --network-add name=lan,alias=shell",
  sandbox: "eleven sandbox update client --upstream 9.9.9.9",
};
