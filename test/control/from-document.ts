/** What holds of requests that are made of the document alone, for as many as there is time for. */
import fc from "fast-check";
import { expect } from "vitest";
import { allows, invalid, type Made, operationsOf, resolved, valid } from "./generated.ts";
import { ask, type Reply, send, served } from "./served.ts";

/** Requests at a time: they meet each other in the node. */
const AT_ONCE = 16;

/** Something to refer to. */
const WORLD = [
  'PUT /v1/networks/n {"subnets":[{"cidr":"10.0.1.0/24"}]}',
  'PUT /v1/networks/m {"subnets":[{"cidr":"10.0.2.0/24"},{"cidr":"fd00:1::/64"}]}',
  'PUT /v1/services/web {"networks":[{"network":"n"}]}',
  'PUT /v1/tasks/web.1 {"service":"web","slot":1}',
  'PUT /v1/containers/c {"endpoints":[{"network":"n"}]}',
];

export interface Tally {
  readonly byStatus: ReadonlyMap<number, number>;
}

/** `count` of those that the document allows: each is answered as the document says, with success or a reason. */
export async function tryValid(count: number, seed: number): Promise<Tally> {
  const { socket, notices } = await served();
  for (const line of WORLD) expect((await ask(socket, line)).status).toBe(201);
  const document = (await ask(socket, "GET /openapi.json")).body;
  const byStatus = await all(socket, fc.sample(valid(document), { numRuns: count, seed }), (made, reply) => {
    const what = `seed ${seed}: ${made.method} ${made.path} ${made.body} -> ${reply.status} ${reply.text.slice(0, 300)}`;
    if (reply.status >= 500) throw new Error(what);
    if (reply.status >= 400 && !isReason(reply)) throw new Error(`no reason: ${what}`);
    if (reply.status < 300 && !asSaid(document, made, reply)) throw new Error(`not as the document says: ${what}`);
  });
  expect(notices).toEqual([]);
  expect((await ask(socket, "GET /v1/status")).status).toBe(200);
  return { byStatus };
}

/** `count` of those that break it in one place: each is refused with a reason, and nothing happens. */
export async function tryInvalid(count: number, seed: number): Promise<Tally> {
  const { socket, node, notices } = await served();
  const document = (await ask(socket, "GET /openapi.json")).body;
  const byStatus = await all(socket, fc.sample(invalid(document), { numRuns: count, seed }), (made, reply) => {
    const what = `seed ${seed}: ${made.why}: ${made.method} ${made.path} ${made.body} -> ${reply.status} ${reply.text.slice(0, 300)}`;
    if (reply.status < 400 || reply.status >= 500 || !isReason(reply)) throw new Error(what);
  });
  expect([node.state.revision, notices]).toEqual([0, []]);
  return { byStatus };
}

async function all<M extends Made>(socket: string, requests: readonly M[], check: (made: M, reply: Reply) => void) {
  const byStatus = new Map<number, number>();
  const left = requests[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const made of left) {
      const { method, path, body, headers } = made;
      const reply = await send(socket, method, path, body === undefined ? undefined : Buffer.from(body), headers);
      byStatus.set(reply.status, (byStatus.get(reply.status) ?? 0) + 1);
      check(made, reply);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return byStatus;
}

const isReason = ({ headers, body, status }: Reply): boolean =>
  headers["content-type"] === "application/problem+json" &&
  body.status === status &&
  /^urn:eleven:problem:[a-z-]+$/.test(body.type) &&
  body.detail.length > 0;

/** The answer has the schema that the document gives for its status. */
// biome-ignore lint/suspicious/noExplicitAny: a document, as it was served
function asSaid(document: any, { method, path }: Made, { status, body }: Reply): boolean {
  const [plain = ""] = path.split("?");
  const operation = operationsOf(document).find(
    (o) => o.method === method && new RegExp(`^${o.path.replace(/\{\w+\}/g, "[^/]+")}$`).test(plain),
  );
  const said = operation?.spec.responses[status];
  if (said === undefined) return false;
  const schema = said.content?.["application/json"]?.schema;
  return schema === undefined || allows(document, resolved(document, schema), body);
}
