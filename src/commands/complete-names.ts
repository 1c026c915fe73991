/** Names for completion, from a running agent: none if it is not there, or takes longer than somebody at a keyboard waits. */
import { agentOf, type Call } from "./client/call.ts";
import { pathTo } from "./client/client.ts";
import { type Kind, NOUNS } from "./objects/nouns.ts";
import { list } from "./text/json.ts";

/** Milliseconds. */
const PATIENCE = 1_000;
/** More are no choice. */
const MOST = 1_000;

/** Names of a kind of object that begin so, from the agent at this socket, or the usual one. */
export type NamesOf = (kind: Kind, begin: string, socket: string | undefined) => Promise<readonly string[]>;

export const namesFromAgent =
  (call: Call): NamesOf =>
  async (kind, begin, socket) => {
    const client = agentOf(socket === undefined ? call : { ...call, options: { ...call.options, socket } });
    try {
      const asking = { signal: AbortSignal.timeout(PATIENCE) };
      const { body } = await client.ask("GET", pathTo(NOUNS[kind].plural), asking);
      const names = list(body["items"]).map(({ id, name }) => `${name ?? id}`);
      return [...new Set(names)].filter((name) => name.startsWith(begin) && /^[\w.-]+$/.test(name)).slice(0, MOST);
    } catch {
      return [];
    }
  };
