/**
 * The plugin: a runtime's request, told to the agent. Chained behind a plugin that makes the interface, it adds nothing to the
 * namespace itself: it says whose it is, and the agent does the rest (CNI specification 1.1).
 */
import type { ChangeInput } from "../model/input.ts";
import type { Container, Endpoint } from "../model/types.ts";
import { type Attached, attachmentOf, interfaceLabel, MADE_BY, resultOf } from "./attachment.ts";
import { CniError, CODE } from "./error.ts";
import { type Request, VERSIONS } from "./request.ts";

/** The agent, as far as the plugin needs it. All reject with a CniError: `tryAgain` if nobody answers, `refused` if it says no. */
export interface Agent {
  container(id: string): Promise<Seen<Container> | undefined>;
  containers(): Promise<readonly Container[]>;
  /** By name; its id. */
  network(name: string): Promise<string | undefined>;
  /** All or none, in names and kernel when it resolves. With `at`, only if that container is as it was seen: else it resolves to false. */
  change(changes: readonly ChangeInput[], at?: At): Promise<boolean>;
  /** Why it can't take any more, if so. */
  problem(): Promise<string | undefined>;
  /** Why this sandbox does not answer, if so. */
  sandboxProblem(id: string): Promise<string | undefined>;
}

/** An object, and the revision of its last change. */
export interface Seen<T> {
  readonly object: T;
  readonly revision: number;
}

/** A container as it was seen; null: there was none. */
export interface At {
  readonly id: string;
  readonly revision: number | null;
}

/** Times that somebody else may be faster. */
const TRIES = 10;

/** What goes to standard output; undefined: nothing does. */
export async function plugin(request: Request, agent: Agent): Promise<object | undefined> {
  switch (request.command) {
    case "ADD":
      await add(attachmentOf(request), request, agent);
      return resultOf(request.config);
    case "DEL":
      await remove(request.containerId, request.ifname, agent);
      return undefined;
    case "CHECK":
      await check(attachmentOf(request), agent);
      return undefined;
    case "GC":
      await collect(request, agent);
      return undefined;
    case "STATUS": {
      const problem = await agent.problem();
      if (problem !== undefined) throw new CniError(CODE.notAvailable, problem);
      return undefined;
    }
    case "VERSION":
      return versions(request.config.cniVersion);
  }
}

export const versions = (cniVersion = "1.1.0"): object => ({ cniVersion, supportedVersions: VERSIONS });

async function add(attached: Attached, { ifname }: Request, agent: Agent): Promise<void> {
  const { name } = attached.network;
  const known = await agent.network(name);
  if (known === undefined) await agent.change([{ kind: "network.put", network: attached.network }]);
  const network = known ?? (await agent.network(name)) ?? name;
  const endpoint = { ...attached.endpoint, network };
  for (let tries = TRIES; tries > 0; tries--) {
    const seen = await agent.container(attached.container.id);
    const others = seen?.object.endpoints.filter((e) => e.network !== network) ?? [];
    const container = {
      ...attached.container,
      labels: { ...seen?.object.labels, ...attached.container.labels, [endpointLabel(ifname)]: network },
      endpoints: [...others, endpoint],
    };
    const sandbox: ChangeInput[] = [{ kind: "sandbox.put", sandbox: attached.sandbox }];
    const changes: ChangeInput[] = [{ kind: "container.put", container }, ...sandbox];
    if (await agent.change(changes, { id: attached.container.id, revision: seen?.revision ?? null })) return;
  }
  throw new CniError(CODE.tryAgain, `container ${attached.container.id} is being changed by others all the time`);
}

/** Which network an interface of ours leads to: at DEL, only its name is given. */
const endpointLabel = (ifname: string): string => `${interfaceLabel(ifname)}/network`;

/** What is not there any more is not a failure: a runtime may ask twice. */
async function remove(id: string, ifname: string, agent: Agent): Promise<void> {
  for (let tries = TRIES; tries > 0; tries--) {
    const seen = await agent.container(id);
    const network = seen?.object.labels[endpointLabel(ifname)];
    if (seen === undefined || network === undefined) return;
    const { [endpointLabel(ifname)]: _, [interfaceLabel(ifname)]: __, ...labels } = seen.object.labels;
    const endpoints: readonly Endpoint[] = seen.object.endpoints.filter((e) => e.network !== network);
    const changes: readonly ChangeInput[] = Object.keys(labels).some((key) => key.startsWith(`${MADE_BY}/`))
      ? [{ kind: "container.patch", id, patch: { endpoints, labels } }]
      : [
          { kind: "sandbox.remove", id },
          { kind: "container.remove", id },
        ];
    if (await agent.change(changes, { id, revision: seen.revision })) return;
  }
  throw new CniError(CODE.tryAgain, `container ${id} is being changed by others all the time`);
}

async function check({ container, endpoint }: Attached, agent: Agent): Promise<void> {
  const seen = await agent.container(container.id);
  if (seen === undefined) throw new CniError(CODE.unknownContainer, `the agent knows no container ${container.id}`);
  const network = (await agent.network(endpoint.network)) ?? endpoint.network;
  const there = seen.object.endpoints.find((e) => e.network === network);
  for (const family of ["ip4", "ip6"] as const)
    if (endpoint[family] !== there?.[family])
      throw new CniError(
        CODE.refused,
        `container ${container.id} is known as ${there?.[family] ?? "nothing"} on ${network}, not as ${endpoint[family] ?? "nothing"}`,
      );
  const problem = await agent.sandboxProblem(container.id);
  if (problem !== undefined) throw new CniError(CODE.refused, `its names are not answered: ${problem}`);
}

/** Attachments of this configuration that the runtime does not name any more. */
async function collect({ config }: Request, agent: Agent): Promise<void> {
  const valid = new Set(
    (config["cni.dev/valid-attachments"] ?? []).map(({ containerID, ifname }) => `${containerID}/${ifname}`),
  );
  for (const { id, labels } of await agent.containers())
    for (const [label, name] of Object.entries(labels)) {
      const [, ifname] = /^eleven\.cni\/([^/]+)$/.exec(label) ?? [];
      if (ifname !== undefined && name === config.name && !valid.has(`${id}/${ifname}`))
        await remove(id, ifname, agent);
    }
}
