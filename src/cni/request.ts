/** What a runtime wants: its environment and the configuration on standard input, read as the CNI specification 1.1 says. */
import { z } from "zod";
import { pathText, tellIssues } from "../model/issues.ts";
import { brief } from "../model/quote.ts";
import { CniError, CODE } from "./error.ts";

export const VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export const COMMANDS = ["ADD", "DEL", "CHECK", "STATUS", "VERSION", "GC"] as const;
export type Command = (typeof COMMANDS)[number];

const list = z.array(z.string());
const dns = z.looseObject({
  nameservers: list.optional(),
  domain: z.string().optional(),
  search: list.optional(),
  options: list.optional(),
});
const result = z.looseObject({
  interfaces: z.array(z.looseObject({ name: z.string(), sandbox: z.string().optional() })).default([]),
  ips: z
    .array(z.looseObject({ address: z.string(), gateway: z.string().optional(), interface: z.int().min(0).optional() }))
    .default([]),
  dns: dns.default({}),
});
export type Result = z.output<typeof result>;

const attachment = z.looseObject({ containerID: z.string(), ifname: z.string() });

/** Of the plugin's configuration, what is ours or the specification's; other keys are other plugins'. */
const config = z.looseObject({
  cniVersion: z.enum(VERSIONS),
  name: z.string().min(1),
  type: z.string().optional(),
  socket: z.string().regex(/^\//, "must be an absolute path").optional(),
  network: z.string().min(1).optional(),
  bind: z.enum(["direct", "redirect"]).optional(),
  upstreams: list.optional(),
  runtimeConfig: z.looseObject({ aliases: z.union([list, z.record(z.string(), list)]).optional() }).default({}),
  prevResult: result.optional(),
  "cni.dev/valid-attachments": z.array(attachment).optional(),
});
export type Config = z.output<typeof config>;

export interface Request {
  readonly command: Command;
  readonly config: Config;
  readonly containerId: string;
  readonly netns: string;
  readonly ifname: string;
  /** CNI_ARGS. */
  readonly args: ReadonlyMap<string, string>;
}

/** What must be in the environment for each command. */
const NEEDS: Readonly<Record<Command, readonly string[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME"],
  ...{ STATUS: [], VERSION: [], GC: [] },
};

export function commandIn({ CNI_COMMAND: command }: NodeJS.ProcessEnv): Command {
  const known = COMMANDS.find((name) => name === command);
  if (known !== undefined) return known;
  throw new CniError(CODE.environment, `CNI_COMMAND must be one of ${COMMANDS.join(", ")}, not "${command ?? ""}"`);
}

/** Why it is none that the specification allows: names of containers as it says, of interfaces as the kernel has them. */
const WRONG: Readonly<Record<string, (given: string) => string | undefined>> = {
  CNI_CONTAINERID: (given) =>
    /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(given)
      ? undefined
      : 'must begin with a letter or digit, and go on with those and "_", "." and "-"',
  CNI_IFNAME: (given) =>
    given === "." || given === ".." || /[/:\s]/.test(given) || Buffer.byteLength(given) > 15
      ? "must be a name that an interface can have"
      : undefined,
};

/** Throws a CniError. */
export function readRequest(environment: NodeJS.ProcessEnv, text: string): Request {
  const command = commandIn(environment);
  const missing = NEEDS[command].filter((name) => !environment[name]);
  if (missing.length > 0)
    throw new CniError(CODE.environment, `${command} needs ${missing.join(", ")} in the environment`);
  for (const name of NEEDS[command]) {
    const wrong = WRONG[name]?.(environment[name]!);
    if (wrong !== undefined)
      throw new CniError(CODE.environment, `${name} ${wrong}, not "${brief(environment[name]!)}"`);
  }
  return {
    ...{ command, config: readConfig(text) },
    containerId: environment["CNI_CONTAINERID"] ?? "",
    netns: environment["CNI_NETNS"] ?? "",
    ifname: environment["CNI_IFNAME"] ?? "",
    args: argumentsIn(environment["CNI_ARGS"] ?? ""),
  };
}

function readConfig(text: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CniError(CODE.content, "the configuration on standard input is no JSON", (error as Error).message);
  }
  const { cniVersion } = (value ?? {}) as { readonly cniVersion?: unknown };
  if (typeof cniVersion === "string" && !(VERSIONS as readonly string[]).includes(cniVersion))
    throw new CniError(CODE.incompatible, `cniVersion ${cniVersion} is not known here; ${VERSIONS.join(", ")} are`);
  const parsed = config.safeParse(value);
  if (parsed.success) return parsed.data;
  const told = tellIssues(parsed.error.issues, { list: "a list", object: "an object" });
  throw new CniError(CODE.config, told.map(({ place, message }) => `${pathText(place) || "it"} ${message}`).join("; "));
}

/** "K8S_POD_NAME=web-1;IgnoreUnknown=1". */
const argumentsIn = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(";").flatMap((pair): [string, string][] => {
      const at = pair.indexOf("=");
      return at > 0 ? [[pair.slice(0, at), pair.slice(at + 1)]] : [];
    }),
  );
