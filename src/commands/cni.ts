/** `eleven cni`: the CNI plugin, as runtimes start it: the request in environment and standard input, the result on standard output. */
import { text } from "node:stream/consumers";
import { CniError, CODE } from "../cni/error.ts";
import { type Agent, plugin, versions } from "../cni/plugin.ts";
import { commandIn, readRequest } from "../cni/request.ts";
import { CONTROL_SOCKET } from "../model/defaults.ts";
import type { Container } from "../model/types.ts";
import { type Asking, Client, type Method, pathTo } from "./client/client.ts";
import { Refusal } from "./client/problem.ts";
import { EXIT, Failure } from "./exit.ts";
import type { Shell } from "./shell.ts";
import { type Json, list } from "./text/json.ts";

/** Seconds that a runtime's call may take until names and kernel have it; then the container starts all the same. */
const PATIENCE = 10;

/** Resolves to the exit code. What is wrong goes to standard output, too, as the specification wants. */
export async function cni({ print, env }: Shell, input: NodeJS.ReadableStream = process.stdin): Promise<number> {
  let cniVersion: unknown;
  try {
    const command = commandIn(env);
    const given = await text(input);
    cniVersion = versionIn(given);
    if (command === "VERSION") return printed(print, versions(typeof cniVersion === "string" ? cniVersion : undefined));
    const request = readRequest(env, given);
    const client = new Client(request.config.socket ?? (env["ELEVEN_SOCKET"] || CONTROL_SOCKET));
    return printed(print, await plugin(request, agentBehind(client)));
  } catch (error) {
    const { code, message, details } = error instanceof CniError ? error : new CniError(CODE.io, String(error));
    const version = typeof cniVersion === "string" ? cniVersion : "1.1.0";
    print(JSON.stringify({ cniVersion: version, code, msg: message, ...(details !== undefined && { details }) }));
    return EXIT.failed;
  }
}

function printed(print: Shell["print"], result: object | undefined): number {
  if (result !== undefined) print(JSON.stringify(result));
  return EXIT.done;
}

function versionIn(given: string): unknown {
  try {
    return (JSON.parse(given) as Json | null)?.["cniVersion"];
  } catch {
    return undefined; // whoever reads it whole says so
  }
}

function agentBehind(client: Client): Agent {
  /** undefined: there is no such thing. */
  const ask = async (method: Method, path: string, asking?: Asking) => {
    try {
      return await client.ask(method, path, asking);
    } catch (error) {
      if (error instanceof Refusal && error.status === 404 && method === "GET") return undefined;
      if (error instanceof Refusal)
        throw Object.assign(new CniError(CODE.refused, error.message), { status: error.status });
      throw new CniError(CODE.tryAgain, error instanceof Failure ? error.message : String(error));
    }
  };
  return {
    container: async (id) => {
      const answer = await ask("GET", pathTo("containers", id));
      return (
        answer && { object: answer.body as unknown as Container, revision: Number(answer.etag?.replaceAll('"', "")) }
      );
    },
    containers: async () => list((await ask("GET", pathTo("containers")))?.body["items"]) as unknown as Container[],
    network: async (name) => (await ask("GET", pathTo("networks", name)))?.body["id"] as string | undefined,
    change: async (changes, at) => {
      const query = { wait: "applied", timeout: PATIENCE };
      const body = { changes, ...(at !== undefined && { if: [{ kind: "container", ...at }] }) };
      try {
        await ask("POST", pathTo("changes"), { body, query, patience: PATIENCE });
        return true;
      } catch (error) {
        if ((error as { status?: number }).status === 412) return false;
        throw error;
      }
    },
    problem: async () => {
      const answer = await ask("GET", pathTo("status"));
      return answer?.body["ready"] === true ? undefined : "eleven agent is starting";
    },
    sandboxProblem: async (id) => {
      const problems = list((await ask("GET", pathTo("status")))?.body["problems"]);
      return problems.find(({ sandbox }) => sandbox === id)?.["problem"] as string | undefined;
    },
  };
}
