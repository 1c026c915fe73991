/** Requests and what they are answered, as text: one world a table, from the first line to the last. */
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { memoryStore } from "../../src/registry/stores/memory.ts";
import { ask, send, served, shown } from "./served.ts";

/** Request, answer, request, answer, … */
async function conversation(
  socket: string,
  lines: readonly (readonly [request: string, answer: string, headers?: Record<string, string>])[],
) {
  for (const [request, answer, headers] of lines)
    expect([request, shown(await ask(socket, request, headers))]).toEqual([request, answer]);
}

const NET =
  '{"name":"n","id":"n","driver":"overlay","ingress":false,"defaultBridge":false,"internal":false,"subnets":[{"cidr":"10.0.1.0/24","gateway":"10.0.1.1"}]}';
const WEB =
  '{"name":"web","id":"web","networks":[{"network":"n","aliases":[],"vip4":"10.0.1.2"}],"mode":"vip","publish":"healthy","ports":[],"labels":{}}';
const world = async (options = {}) => {
  const it = await served(options);
  await it.node.write([
    { kind: "network.put", network: { name: "n", subnets: [{ cidr: "10.0.1.0/24" }] } },
    { kind: "service.put", service: { name: "web", networks: [{ network: "n" }] } },
  ]);
  return it;
};

describe("objects", () => {
  test("a path that names nothing changes nothing that is there, whatever id the body has", async () => {
    const { socket } = await world();
    const refused = /^409 .*there is no network \\?"zz\\?", and id \\?"n\\?" is that of \\?"n\\?"/;
    expect(shown(await ask(socket, 'PUT /v1/networks/zz {"id":"n"}'))).toMatch(refused);
    expect(shown(await ask(socket, 'PUT /v1/networks/zz {"id":"n"}', { "if-none-match": "*" }))).toMatch(refused);
    expect((await ask(socket, "GET /v1/networks/n")).body).toEqual(JSON.parse(NET));
  });

  test.each([
    ["/v1/status", 500],
    ["/v1/events", 30],
    ["/v1/wait?revision=99&timeout=600", 300],
  ])("connections that ask for much and go are not counted for ever: %s", async (path, times) => {
    const { socket } = await world();
    for (let i = 0; i < 3; i++)
      await new Promise<void>((done) => {
        const client = connect(socket, () => {
          client.write(`GET ${path} HTTP/1.1\r\nhost: l\r\n\r\n`.repeat(times));
          setImmediate(() => client.destroy());
        });
        client.once("close", () => done());
      });
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(socket, "GET /v1/status")));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const readers = Array.from({ length: 32 }, () => connect(socket));
    for (const reader of readers) reader.write("GET /v1/events HTTP/1.1\r\nhost: l\r\n\r\n");
    const firsts = await Promise.all(
      readers.map((r) => new Promise((done) => r.once("data", (d) => done(String(d).slice(9, 12))))),
    );
    for (const reader of readers) reader.destroy();
    expect(firsts).toEqual(readers.map(() => "200"));
  });

  test("made, read, changed and removed", async () => {
    const { socket } = await served();
    await conversation(socket, [
      ['PUT /v1/networks/n {"subnets":[{"cidr":"10.0.1.0/24"}]}', `201 "1" {"revision":1,"object":${NET}}`],
      ['PUT /v1/networks/n {"subnets":[{"cidr":"10.0.1.0/24"}]}', `200 "1" {"revision":1,"object":${NET}}`],
      ["GET /v1/networks/n", `200 "1" ${NET}`],
      ["GET /v1/networks/N", `200 "1" ${NET}`],
      ['PUT /v1/services/web {"networks":[{"network":"n"}]}', `201 "2" {"revision":2,"object":${WEB}}`],
      ["GET /v1/networks", `200 "2" {"revision":2,"items":[${NET}]}`],
      ["GET /v1/networks/n", `200 "1" ${NET}`],
      [
        'PATCH /v1/services/web {"mode":"dnsrr"}',
        `200 "3" {"revision":3,"object":${WEB.replace('vip","pub', 'dnsrr","pub').replace(',"vip4":"10.0.1.2"', "")}}`,
      ],
      ['PATCH /v1/services/web {"mode":null}', `200 "4" {"revision":4,"object":${WEB.replace("1.2", "1.3")}}`],
      ["DELETE /v1/services/web", '200 {"revision":5}'],
      ["DELETE /v1/services/web", '404 unknown: there is no service "web"'],
      ["GET /v1/services/web", '404 unknown: there is no service "web"'],
      ['PATCH /v1/services/web {"mode":"vip"}', '404 unknown: there is no service "web"'],
      ["GET /v1/services", '200 "5" {"revision":5,"items":[]}'],
      ["HEAD /v1/services", '200 "5"'],
    ]);
  });

  test("by name where it is that of one, else by id", async () => {
    const { socket } = await served();
    await conversation(socket, [
      ["PUT /v1/networks/n {}", expect.stringMatching(/^201/) as never],
      ["PUT /v1/networks/m {}", expect.stringMatching(/^201/) as never],
      [
        'PUT /v1/services/web {"id":"a","networks":[{"network":"n"}]}',
        expect.stringMatching(/^201.*"id":"a"/) as never,
      ],
      [
        'PUT /v1/services/b {"name":"web","networks":[{"network":"m"}]}',
        expect.stringMatching(/^201.*"name":"web".*"id":"b"/) as never,
      ],
      ["GET /v1/services/web", '409 conflict: 2 services are called "web": say which by its id (a, b)'],
      ["PUT /v1/services/web {}", '409 conflict: 2 services are called "web": say which by its id (a, b)'],
      ["DELETE /v1/services/b", '200 {"revision":5}'],
      ["GET /v1/services/WEB", expect.stringMatching(/^200.*"id":"a"/) as never],
      [
        'PUT /v1/services/web {"labels":{"x":"y"}}',
        expect.stringMatching(/^200.*"id":"a".*"labels":{"x":"y"}/) as never,
      ],
      ['PATCH /v1/services/a {"name":"shop"}', expect.stringMatching(/^200.*"name":"shop","id":"a"/) as never],
      ["GET /v1/services/web", '404 unknown: there is no service "web"'],
      ["GET /v1/services/shop", expect.stringMatching(/^200.*"id":"a"/) as never],
      ['PUT /v1/services/a {"id":"z"}', '400 invalid: id "z" is not that of the service, "a": leave it out /id'],
      ['PUT /v1/services/q {"id":"z","name":"y"}', '400 invalid: neither id nor name is "q", which the path says /id'],
      ["PUT /v1/services/a%2Fb%20c {}", "400 invalid: service a/b c: name must be valid as a DNS name component"],
      ["PUT /v1/networks/a%2Fb {}", expect.stringMatching(/^201.*"name":"a\/b"/) as never],
      ["GET /v1/networks/a%2Fb", expect.stringMatching(/^200.*"name":"a\/b"/) as never],
      ["GET /v1/services/constructor", '404 unknown: there is no service "constructor"'],
      ["GET /v1/services/__proto__", '404 unknown: there is no service "__proto__"'],
    ]);
  });

  test("filtered", async () => {
    const { socket, node } = await world();
    await node.write([
      { kind: "network.put", network: { name: "m", id: "mid", subnets: [{ cidr: "10.0.2.0/24" }] } },
      {
        kind: "service.put",
        service: {
          name: "api",
          labels: { tier: "back", x: "" },
          networks: [{ network: "mid" }],
          source: "/etc/e.yaml",
        },
      },
      { kind: "task.put", task: { service: "web", slot: 1, labels: { tier: "front" } } },
      { kind: "task.put", task: { service: "api", slot: 1 } },
      { kind: "sandbox.put", sandbox: { member: { kind: "task", id: "api.1" } } },
    ]);
    const ids = async (path: string) =>
      (await ask(socket, `GET ${path}`)).body.items.map((o: { id: string }) => o.id).join(" ");
    for (const [path, wanted] of [
      ["/v1/services", "web api"],
      ["/v1/services?label=tier", "api"],
      ["/v1/services?label=tier=back&label=x=", "api"],
      ["/v1/services?label=tier=front", ""],
      ["/v1/services?label=toString", ""],
      ["/v1/services?network=m", "api"],
      ["/v1/services?network=mid", "api"],
      ["/v1/services?network=none", ""],
      ["/v1/services?name=WEB", "web"],
      ["/v1/services?source=", "web"],
      ["/v1/services?source=/etc/e.yaml", "api"],
      ["/v1/tasks?service=api", "api.1"],
      ["/v1/tasks?network=m", "api.1"],
      ["/v1/tasks?name=web.1", "web.1"],
      ["/v1/sandboxes?service=api&network=m", "api.1"],
      ["/v1/sandboxes?service=web", ""],
      ["/v1/networks?network=m", "mid"],
    ])
      expect([path, await ids(path!)]).toEqual([path, wanted]);
  });
});

describe("what is refused", () => {
  test.each([
    ["GET /", "404 unknown: there is no /; /openapi.json says what there is"],
    ["GET /v1/services/", "404 unknown: there is no /v1/services/; /openapi.json says what there is"],
    ["POST /v1/services {}", "405 method: POST is not for this path; there are GET"],
    ["OPTIONS /v1/services/web", "405 method: OPTIONS is not for this path; there are GET, PUT, PATCH, DELETE"],
    [
      "GET /v1/services?lable=x",
      '400 invalid: parameter "lable" is no parameter; there are label, name, network, service, source',
    ],
    ["GET /v1/services?name=a&name=b", '400 invalid: parameter "name" is there more than once'],
    ["GET /v1/status?x", '400 invalid: parameter "x" is no parameter; there are none'],
    ["DELETE /v1/services/web?wait=never", '400 invalid: parameter "wait" must be "applied" or "drained", not "never"'],
    ["DELETE /v1/services/web?timeout=-1", '400 invalid: parameter "timeout" must be 0 to 86400, not "-1"'],
    ["DELETE /v1/services/web?timeout=86401", '400 invalid: parameter "timeout" must be 0 to 86400, not "86401"'],
    ["GET /v1/wait?revision=-1", '400 invalid: parameter "revision" must be at least 0, not "-1"'],
    ["DELETE /v1/services/web?timeout=1e9", '400 invalid: parameter "timeout" must be a number, not "1e9"'],
    ["DELETE /v1/services/web?dry_run=yes", '400 invalid: parameter "dry_run" must be a boolean, not "yes"'],
    ["PUT /v1/services/web ", "400 invalid: the body is empty, and must be JSON"],
    ["PUT /v1/services/web []", "400 invalid: the body must be an object, not a list "],
    ["PUT /v1/services/web {", expect.stringMatching(/^400 invalid: the body is not JSON: /)],
    [
      'PUT /v1/services/web {\n "a": x}',
      expect.stringMatching(/^400 invalid: the body is not JSON: line 2, column 7: /),
    ],
    [
      'PUT /v1/services/web {"nam":"x"}',
      "400 invalid: nam is no field; there are name, id, networks, mode, publish, ports, vipPorts, labels, ttl, balance, mesh /nam",
    ],
    [
      'PUT /v1/services/web {"source":"/x"}',
      "400 invalid: source is the agent's to say: objects of the API have none /source",
    ],
    [
      'PATCH /v1/services/web {"source":"/x"}',
      "400 invalid: source is the agent's to say: objects of the API have none /source",
    ],
    [
      'PATCH /v1/services/web {"id":"x"}',
      expect.stringMatching(/^400 invalid: id is no field; there are name, networks.* \/id$/),
    ],
    [
      'PUT /v1/services/web {"ports":[{"target":80},{"target":0,"mode":"x"}]}',
      "400 invalid: ports[1].target must be at least 1, not 0 (and 1 more) /ports/1/target /ports/1/mode",
    ],
    [
      'PUT /v1/services/web {"labels":{"a/b~c":1}}',
      "400 invalid: labels.a/b~c must be a string, not 1 /labels/a~1b~0c",
    ],
    [
      'PUT /v1/services/web {"networks":[{"network":"n"},{"network":"m"}]}',
      '404 unknown: service web: there is no network "m" /networks/1/network',
    ],
    [
      'PUT /v1/services/shop {"networks":[{"network":"n","vip4":"10.0.1.2"}]}',
      expect.stringMatching(/^409 conflict: .* \/networks\/0\/vip4$/),
    ],
    ["DELETE /v1/networks/n", expect.stringMatching(/^409 in-use: /)],
    [
      'POST /v1/changes {"changes":[{"kind":"task.put","task":{"service":"web"}},{"kind":"container.put","container":{"name":"c","endpoints":[{"network":"m"}]}}]}',
      '404 unknown: container c: there is no network "m" /changes/1/container/endpoints/0/network',
    ],
    [
      'POST /v1/changes {"changes":[{"kind":"task.putt"}]}',
      expect.stringMatching(/^400 invalid: changes\[0\].kind must be "network.put" or .* \/changes\/0\/kind$/),
    ],
    [
      'POST /v1/changes {"changes":[{"kind":"service.put","service":{"name":"x","source":"y"}}]}',
      expect.stringMatching(
        /^400 invalid: changes\[0\].service.source is the agent's to say.* \/changes\/0\/service\/source$/,
      ),
    ],
    [
      'POST /v1/changes {"changes":[{"kind":"network.put","network":{"name":"m"}},{"kind":"service.patch","id":"web","patch":{},"force":true}]}',
      "400 invalid: changes[1].force is no field; there are kind, id, patch /changes/1/force",
    ],
    [
      'POST /v1/changes {"changes":[{"kind":"service.patch","id":"web","patch":{"nmae":"x"}}]}',
      expect.stringMatching(/nmae is no field; there are name, networks, mode/),
    ],
    [
      `POST /v1/changes {"changes":[${"{},".repeat(100_000)}{}]}`,
      expect.stringMatching(/^400 invalid: changes must be at most 100000 long, not 100001 /),
    ],
    [
      'PUT /v1/services/web {"ttl":{"stable":1e999}}',
      "400 invalid: ttl.stable must be a number, not Infinity (it is too large to be held) /ttl/stable",
    ],
    [
      'PUT /v1/services/web {"ttl":{"stable":-1e999}}',
      "400 invalid: ttl.stable must be a number, not -Infinity (it is too large to be held) /ttl/stable",
    ],
    ['PUT /v1/containers/c {"id":".."}', '400 invalid: id must be a name that a URL can have, not ".." /id'],
    ['PUT /v1/networks/m {"name":"."}', '400 invalid: name must be a name that a URL can have, not "." /name'],
    ['POST /v1/changes [{"kind":"service.remove","id":"web"}]', "400 invalid: the body must be an object, not a list "],
    ["POST /v1/reload", "404 unknown: this agent has no config file"],
    [
      "GET /v1/events?since=9",
      "410 gone: events since revision 9 are not there any more; now it is 1: list again, and go on from there",
    ],
    ["GET /v1/wait?for=x", '400 invalid: parameter "for" must be "applied" or "drained", not "x"'],
  ] as [string, string][])("%s", async (request, answer) => {
    const { socket, node } = await world();
    expect(shown(await ask(socket, request))).toEqual(answer);
    expect(node.state.revision).toBe(1);
  });

  test.each<[string, Record<string, string>, Uint8Array, string]>([
    [
      "a body of another kind",
      { "content-type": "text/plain" },
      Buffer.from("{}"),
      "415 media-type: the body must be application/json, in UTF-8 and not compressed",
    ],
    [
      "another character set",
      { "content-type": "application/json; charset=latin1" },
      Buffer.from("{}"),
      "415 media-type: the body must be application/json, in UTF-8 and not compressed",
    ],
    [
      "a compressed body",
      { "content-encoding": "gzip" },
      Buffer.from("{}"),
      "415 media-type: the body must be application/json, in UTF-8 and not compressed",
    ],
    ["no UTF-8", {}, Buffer.from([0x22, 0xff, 0x22]), "400 invalid: the body is not UTF-8"],
    [
      "too large, announced",
      {},
      Buffer.alloc((16 << 20) + 1),
      "413 too-large: the body may have 16777216 octets: send the changes in parts",
    ],
    [
      "too large, as it comes",
      { "transfer-encoding": "chunked", "x-chunked": "1" },
      Buffer.alloc((16 << 20) + 1),
      "413 too-large: the body may have 16777216 octets: send the changes in parts",
    ],
    [
      "a tag that is none",
      { "if-match": "abc" },
      Buffer.from("{}"),
      '400 invalid: If-Match: abc is no list of tags; one is "17"',
    ],
    [
      "a tag that nobody looks at",
      { "if-none-match": '"1"' },
      Buffer.from("{}"),
      "400 invalid: If-None-Match: a write knows only *, which says that there must be none; If-Match takes tags",
    ],
  ])("%s", async (_name, headers, body, answer) => {
    const { socket } = await served();
    expect(shown(await send(socket, "PUT", "/v1/networks/n", body, headers))).toBe(answer);
  });

  test.each([
    ["no HTTP", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request"],
    ["no host", "GET /v1/status HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request"],
    [
      "a host that is none",
      "GET /v1/status HTTP/1.1\r\nhost: a b/c\r\nconnection: close\r\n\r\n",
      "HTTP/1.1 400 Bad Request",
    ],
    [
      "headers without end",
      `GET /v1/status HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
      "HTTP/1.1 431 Request Header Fields Too Large",
    ],
    [
      "a body that ends early",
      'PUT /v1/networks/n HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{"a"',
      "HTTP/1.1 400 Bad Request",
    ],
  ])("%s", async (_name, octets, answer) => {
    const { socket, notices } = await served();
    const client = connect(socket);
    client.end(octets);
    let text = "";
    for await (const chunk of client) text += chunk;
    expect(text.split("\r\n")[0]).toBe(answer);
    expect(notices).toEqual([]);
  });
});

test("conditions are on the revision in which an object last changed; those of batches on the state's", async () => {
  const { socket } = await world({ node: { store: memoryStore() } });
  await conversation(socket, [
    ["GET /v1/services/web", '304 "1"', { "if-none-match": '"1"' }],
    [
      'PATCH /v1/services/web {"publish":"starting"}',
      expect.stringMatching(/^200 "2"/) as never,
      { "if-match": '"1"' },
    ],
    [
      'PATCH /v1/services/web {"publish":"healthy"}',
      '412 precondition: service "web" is not what If-Match says: it is at "2"; read it again',
      { "if-match": '"1"' },
    ],
    [
      "PUT /v1/services/web {}",
      '412 precondition: service "web" is what If-None-Match excludes: it is at "2"',
      { "if-none-match": "*" },
    ],
    [
      "PUT /v1/services/shop {}",
      '412 precondition: service "shop" is not what If-Match says: there is none; read it again',
      { "if-match": "*" },
    ],
    ["PUT /v1/services/shop {}", expect.stringMatching(/^201 "3"/) as never, { "if-none-match": "*" }],
    [
      "DELETE /v1/services/web",
      '412 precondition: service "web" is not what If-Match says: it is at "2"; read it again',
      { "if-match": '"3"' },
    ],
    ["DELETE /v1/services/web", '200 {"revision":4}', { "if-match": '"1", "2"' }],
    [
      'POST /v1/changes {"changes":[]}',
      '412 precondition: the state is not what If-Match says: it is at "4"; read it again',
      { "if-match": '"3"' },
    ],
    [
      'POST /v1/changes {"changes":[{"kind":"service.remove","id":"shop"}]}',
      '200 "5" {"revision":5,"objects":[null]}',
      { "if-match": '"4"' },
    ],
  ]);
});

test("of many that have read the same, one writes", async () => {
  const store = memoryStore();
  const slow = {
    ...store,
    write: async (...of: Parameters<typeof store.write>) => {
      await new Promise(setImmediate);
      return store.write(...of);
    },
  };
  const { socket } = await world({ node: { store: slow } });
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      ask(socket, `PATCH /v1/services/web {"labels":{"n":"${i}"}}`, { "if-match": '"1"' }),
    ),
  );
  expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(412)]);
});

test("a merge patch goes into fields", async () => {
  const { socket } = await world();
  const merge = { "content-type": "application/merge-patch+json" };
  await conversation(socket, [
    [
      'PATCH /v1/services/web {"labels":{"a":"1","b":"2"},"ttl":{"stable":5}}',
      expect.stringContaining('"labels":{"a":"1","b":"2"}') as never,
    ],
    [
      'PATCH /v1/services/web {"labels":{"a":null,"c":"3"},"ttl":{"dynamic":1}}',
      expect.stringContaining('"labels":{"b":"2","c":"3"},"ttl":{"stable":5,"dynamic":1}') as never,
      merge,
    ],
    ['PATCH /v1/services/web {"ttl":null}', expect.not.stringContaining("ttl") as never, merge],
    ['PATCH /v1/services/web {"labels":{"b":7}}', "400 invalid: labels.b must be a string, not 7 /labels/b", merge],
    ['PATCH /v1/services/web {"labels":{"__proto__":"x"}}', expect.stringContaining('"__proto__":"x"') as never, merge],
    [
      `PATCH /v1/services/web {"labels":${'{"a":'.repeat(9_000)}1${"}".repeat(9_001)}`,
      "400 invalid: the body is more than 32 levels deep",
      merge,
    ],
    ["PATCH /v1/services/web []", "400 invalid: the body must be an object, not a list ", merge],
  ]);
});

test("tried, nothing changes", async () => {
  const { socket, node } = await world();
  await conversation(socket, [
    [
      'PUT /v1/services/shop?dry_run=true {"networks":[{"network":"n"}]}',
      expect.stringMatching(/^200 {"revision":1,"dry_run":true,"object":{.*"vip4":"10.0.1.3"/) as never,
    ],
    [
      'PUT /v1/services/shop?dry_run=true {"networks":[{"network":"m"}]}',
      '404 unknown: service shop: there is no network "m" /networks/0/network',
    ],
    ["DELETE /v1/services/web?dry_run=true", '200 {"revision":1,"dry_run":true}'],
    [
      'POST /v1/changes?dry_run=true {"changes":[{"kind":"service.remove","id":"web"},{"kind":"network.patch","id":"n","patch":{"internal":true}}]}',
      expect.stringMatching(
        /^200 "1" {"revision":1,"dry_run":true,"objects":\[null,{"name":"n".*"internal":true/,
      ) as never,
    ],
  ]);
  expect([node.state.revision, [...node.state.services.keys()]]).toEqual([1, ["web"]]);
});

test("what a config file says is changed there", async () => {
  const config = {
    status: () => ({
      ...{ files: ["/etc/e.yaml"], loaded: "2026-01-01T00:00:00Z", restart: ["workers"] },
      refused: {
        at: "2026-01-01T00:00:01Z",
        problems: [{ file: "/etc/e.yaml", line: 3, column: 5, path: ["services", "web"], message: "is no mapping" }],
      },
    }),
    placeOf: (_: string, id: string) => (id === "api" ? "/etc/e.yaml:12" : undefined),
    reload: async () => ({
      refused: [{ file: "/etc/e.yaml", line: 3, column: 5, path: [], message: "ports is no list" }],
    }),
  };
  const { socket, node } = await world({ config });
  const file = "/etc/e.yaml";
  await node.write([
    { kind: "service.put", service: { name: "api", networks: [{ network: "n" }], source: file } },
    { kind: "service.put", service: { name: "old", id: "oldid", source: "-" } },
  ]);
  const refused = '409 conflict: service "api" is written in /etc/e.yaml:12; change it there, and eleven reload';
  await conversation(socket, [
    ["PUT /v1/services/api {}", refused],
    ['PATCH /v1/services/api {"mode":"dnsrr"}', refused],
    ["DELETE /v1/services/api", refused],
    ["DELETE /v1/services/api?dry_run=true", refused],
    [
      "DELETE /v1/services/old",
      '409 conflict: service "old" is written in standard input; change it there, and eleven reload',
    ],
    [
      'POST /v1/changes {"changes":[{"kind":"service.remove","id":"web"},{"kind":"service.remove","id":"api"}]}',
      `${refused} /changes/1`,
    ],
    [
      'POST /v1/changes {"changes":[{"kind":"service.put","service":{"name":"x","id":"oldid"}}]}',
      expect.stringContaining("is written in standard input") as never,
    ],
    ['PUT /v1/tasks/api.1 {"service":"api","slot":1}', expect.stringMatching(/^201/) as never],
    [
      "POST /v1/reload",
      "422 config: the config is refused, and the one before stays in force: 1 wrong /etc/e.yaml:3:5",
    ],
    [
      "GET /v1/status",
      expect.stringContaining(
        '"restart":["workers"],"refused":{"at":"2026-01-01T00:00:01Z","problems":[{"file":"/etc/e.yaml","line":3,"column":5,"message":"services.web: is no mapping"}]}',
      ) as never,
    ],
  ]);
});

test("what would be answered, and who is asked", async () => {
  const { socket, node } = await world({ node: { policy: { upstreams: [{ address: "127.0.9.1", port: 53 }] } } });
  await node.write([
    { kind: "task.put", task: { service: "web", slot: 1 } },
    { kind: "container.put", container: { name: "c", endpoints: [{ network: "n" }] } },
    {
      kind: "sandbox.put",
      sandbox: { member: { kind: "container", id: "c" }, upstreams: [{ address: "127.0.9.2", domains: ["x.y"] }] },
    },
  ]);
  const query = async (words: string) => (await ask(socket, `GET /v1/sandboxes/c/query?${words}`)).body;
  expect(await query("name=web")).toMatchObject({
    status: "NOERROR",
    flags: ["aa", "rd", "ra"],
    answer: ["web. 600 IN A 10.0.1.2"],
    from: "here",
  });
  expect(await query("name=tasks.web&type=a")).toMatchObject({ answer: ["tasks.web. 5 IN A 10.0.1.3"] });
  expect(await query("name=2.1.0.10.in-addr.arpa&type=PTR")).toMatchObject({
    answer: ["2.1.0.10.in-addr.arpa. 600 IN PTR web.n."],
  });
  expect(await query("name=web&type=AAAA")).toMatchObject({ status: "NOERROR", answer: [] });
  for (const type of ["https", "65", "TYPE65"])
    expect(await query(`name=web&type=${type}`)).toMatchObject({ status: "NOERROR", answer: [] });
  await conversation(socket, [
    ["GET /v1/sandboxes/c/query?name=a..b", '400 invalid: name "a..b" has an empty label'],
    [
      "GET /v1/sandboxes/c/query?name=a&type=zz",
      expect.stringMatching(
        /^400 invalid: type "zz" is none that is known here: A, .*HTTPS; any is TYPE and its number/,
      ) as never,
    ],
    ["GET /v1/sandboxes/d/query?name=a", '404 unknown: there is no sandbox "d"'],
    ["GET /v1/sandboxes/c/query", '400 invalid: parameter "name" is missing'],
    [
      "GET /v1/upstreams",
      '200 {"items":[{"address":"127.0.9.1","port":53,"of":"node","down":[]},{"address":"127.0.9.2","port":53,"domains":["x.y"],"of":"sandbox c","down":[]}]}',
    ],
  ]);
});
