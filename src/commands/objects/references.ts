/** Whom an object refers to, by the names that people give: objects know each other by ids, which are often no names. */
import type { Client } from "../client/client.ts";
import { type Json, list } from "../text/json.ts";
import type { Draft } from "./filling.ts";
import { objectNamed } from "./find.ts";
import { type Kind, NOUNS } from "./nouns.ts";

/** The id of whoever has that name. Rejects with a Refusal if there is nobody, and says who may have been meant. */
export type IdOf = (kind: Kind, name: string) => Promise<string>;

/** Each is asked for once. */
export function idsFrom(client: Client): IdOf {
  const known = new Map<string, Promise<string>>();
  return (kind, name) => {
    const key = `${kind} ${name}`;
    let id = known.get(key);
    if (id === undefined) {
      id = objectNamed(client, NOUNS[kind], name).then(({ object }) => `${object["id"]}`);
      known.set(key, id);
    }
    return id;
  };
}

/** The same body, with ids; what `now` refers to has them already. */
export async function withIds(draft: Draft, now: Json, idOf: IdOf): Promise<Draft> {
  const settled = new Set([...list(now["networks"]), ...list(now["endpoints"])].map(({ network }) => network));
  const onNetworks = async (field: string): Promise<Draft> => {
    if (!Array.isArray(draft[field])) return {};
    const placed: Json[] = [];
    for (const place of list(draft[field])) {
      const { network } = place;
      const known = settled.has(network) || typeof network !== "string";
      placed.push(known ? place : { ...place, network: await idOf("network", network) });
    }
    return { [field]: placed };
  };
  const { service, member } = draft;
  const { kind, id } = (member ?? {}) as { readonly kind: "container" | "task"; readonly id: string };
  return {
    ...draft,
    ...(await onNetworks("networks")),
    ...(await onNetworks("endpoints")),
    ...(typeof service === "string" && { service: await idOf("service", service) }),
    ...(member !== undefined && member !== null && { member: { kind, id: await idOf(kind, id) } }),
  };
}

/** Networks to leave, as the object has them. */
export async function leaving(networks: unknown, idOf: IdOf): Promise<string[] | undefined> {
  if (!Array.isArray(networks)) return undefined;
  const ids: string[] = [];
  for (const network of networks) ids.push(await idOf("network", String(network)));
  return ids;
}
