/** Nouns over the API: what each command asks of an agent, and what it prints. The agent is one that repeats what it is told. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eleven, type FakeAgent, fakeAgent, type Replies, split, text } from "../support/fake-agent.ts";

const web = {
  id: "web",
  name: "web",
  mode: "vip",
  publish: "healthy",
  networks: [{ network: "mynet", aliases: ["www"], vip4: "10.0.1.2" }],
  ports: [{ protocol: "tcp", target: 80, published: 8080, mode: "ingress" }],
  labels: { tier: "front" },
  source: "/etc/eleven/eleven.yaml",
};
const db = { ...web, id: "db", name: "db", mode: "dnsrr", networks: [], ports: [], labels: {}, source: undefined };
const task = (slot: number, health = "none") => ({
  ...{ id: `web.${slot}`, service: "web", slot, node: "node-1", state: "running", health, labels: {} },
  endpoints: [{ network: "mynet", ip4: `10.0.1.${slot + 2}`, aliases: [], links: [], priority: 0 }],
});
const client = {
  ...{ id: "client", name: "client", state: "running", labels: { "a\u001b[31m": "x" } },
  endpoints: [{ network: "mynet", ip4: "10.0.1.9", ip6: "fd00::9", aliases: ["shell"], links: [], priority: 0 }],
};
const sandbox = {
  id: "client",
  member: { kind: "container", id: "client" },
  listen: [{ address: "127.0.0.1", port: 5300 }],
};
const LONG = "abcdef0123456789".repeat(4);
const mynet = { id: "mynet", name: "mynet", driver: "overlay", subnets: [{ cidr: "10.0.1.0/24" }], internal: true };

const WORLD: Replies = {
  "GET /v1/networks": { body: { revision: 7, items: [mynet] } },
  "GET /v1/services": { body: { revision: 7, items: [web, db] } },
  "GET /v1/tasks": { body: { revision: 7, items: [task(1), task(2, "unhealthy"), task(4)] } },
  "GET /v1/containers": { body: { revision: 7, items: [client] } },
  "GET /v1/sandboxes": { body: { revision: 7, items: [sandbox] } },
  "GET /v1/services/web": { etag: "5", body: web },
  "GET /v1/services/db": { etag: "6", body: db },
  "GET /v1/services/wbe": { status: 404, body: { status: 404, detail: 'there is no service "wbe"' } },
};

let agent: FakeAgent;
beforeAll(async () => {
  agent = await fakeAgent();
});
afterAll(() => agent.close());
beforeEach(() => agent.say(WORLD));

const run = async (words: string): Promise<string> => eleven(split(words), agent.socket);

describe("lists", () => {
  test.each([
    [
      "network ls",
      text`
        ID     NAME   DRIVER   SUBNETS      OPTIONS   SOURCE
        mynet  mynet  overlay  10.0.1.0/24  internal  api
      `,
    ],
    [
      "service ls",
      text`
        ID   NAME  MODE   REPLICAS  VIRTUAL IPS     PORTS         SOURCE
        web  web   vip    2/3       mynet 10.0.1.2  8080->80/tcp  /etc/eleven/eleven.yaml
        db   db    dnsrr  0/0                                     api
      `,
    ],
    [
      "task ls",
      text`
        ID     SERVICE  SLOT  NODE    STATE    HEALTH     ADDRESSES       SOURCE
        web.1  web      1     node-1  running  none       mynet 10.0.1.3  api
        web.2  web      2     node-1  running  unhealthy  mynet 10.0.1.4  api
        web.4  web      4     node-1  running  none       mynet 10.0.1.6  api
      `,
    ],
    [
      "container ls",
      text`
        ID      NAME    STATE    ADDRESSES               ALIASES  SOURCE
        client  client  running  mynet 10.0.1.9 fd00::9  shell    api
      `,
    ],
    [
      "sandbox list",
      text`
        ID      MEMBER            LISTEN          NETNS  SOURCE
        client  container client  127.0.0.1:5300         api
      `,
    ],
    [
      "service ls --format ''",
      text`
        ID   NAME  MODE   REPLICAS  VIRTUAL IPS     PORTS         SOURCE
        web  web   vip    2/3       mynet 10.0.1.2  8080->80/tcp  /etc/eleven/eleven.yaml
        db   db    dnsrr  0/0                                     api
      `,
    ],
    ["service ls -q", "web\ndb"],
    ["service ls --format '{{.ID}}: {{.Ports}}'", "web: 8080->80/tcp\ndb: "],
    ["service ls --format 'table {{.Name}}\\t{{.Replicas}}'", "NAME  REPLICAS\nweb   2/3\ndb    0/0"],
    ["network ls --format json", JSON.stringify(mynet)],
    ["container ls --format '{{.Labels}}'", "a\\u001b[31m=x"],
    ["container ls --format '{{.Nmae}}'", "! --format: there is no field .Nmae; did you mean .Name?\nexit 2"],
    [
      "container ls --filter state=up",
      "! --filter: there is no state; there are label, name, network, service, source\nexit 2",
    ],
    ["container ls --filter up", "! --filter: must be KEY=VALUE, not up\nexit 2"],
  ])("%s", async (words, expected) => {
    expect(await run(words)).toBe(expected);
  });

  test.each([
    [
      "task ls -q --filter label=a=b --filter label=c --filter service=web",
      "GET /v1/tasks?label=a%3Db&label=c&service=web",
    ],
    ["task ls -q --filter source=api", "GET /v1/tasks?source="],
    ["service ls -q", "GET /v1/services"],
    ["service ls --format '{{.Name}}'", "GET /v1/services"],
    ["service ls --format '{{.Name}} {{.Replicas}}'", "GET /v1/services\nGET /v1/tasks"],
  ])("%s asks %s", async (words, expected) => {
    await run(words);
    expect(agent.asked.join("\n")).toBe(expected);
  });

  test.each([
    ["container ls", `${"x".repeat(200)}…`],
    ["container ls --no-trunc", "x".repeat(5_000)],
    ["container ls --format '{{.ID}}'", "x".repeat(5_000)],
  ])("%s shows a cell of any length as %s", async (words, id) => {
    agent.say({ "GET /v1/containers": { body: { items: [{ ...client, id: "x".repeat(5_000) }] } } });
    expect((await run(words)).split("\n").at(-1)!.split(" ")[0]).toBe(id);
  });

  test.each([
    ["container ls", "abcdef012345"],
    ["container ls --no-trunc", LONG],
    ["container ls -q", LONG],
    ["container ls --format '{{.ID}}'", LONG],
  ])("%s shows a long id as %s", async (words, id) => {
    agent.say({ "GET /v1/containers": { body: { items: [{ ...client, id: LONG }] } } });
    expect((await run(words)).split("\n").at(-1)!.split(" ")[0]).toBe(id);
  });
});

describe("inspect", () => {
  test.each([
    ["service inspect db", JSON.stringify([db], null, 2)],
    [
      "service inspect web --format '{{(index .networks 0)}}'",
      "! --format: {{(index .networks 0)}}: no brackets here: range, index and | do\nexit 2",
    ],
    ["service inspect web --format '{{range .networks}}{{.vip4}}{{end}}'", "10.0.1.2"],
    [
      "service inspect wbe db",
      `${JSON.stringify([db], null, 2)}\n! eleven: there is no service "wbe"; did you mean web?\nexit 3`,
    ],
  ])("%s", async (words, expected) => {
    expect(await run(words)).toBe(expected);
  });
});

describe("writes", () => {
  const NEXT = "?wait=applied&timeout=30";
  const written = (object: object) => ({ status: 201, body: { revision: 8, object, waited: "applied" } });

  test.each([
    [
      "network create lan --driver bridge --subnet 10.7.0.0/24 --gateway 10.7.0.1 --internal",
      "/v1/networks/lan",
      { subnets: [{ cidr: "10.7.0.0/24", gateway: "10.7.0.1" }], driver: "bridge", internal: true },
    ],
    [
      "service create web --network name=mynet,alias=www --alias site --network b -p 8080:80 --publish 53:53/udp --expose target=9,name=m",
      "",
      "--alias: which network's? --network name=NAME,alias=site says so",
    ],
    [
      "service create web --network mynet --alias site -p 8080:80 -p 53/udp --expose target=9,name=m --endpoint-mode dnsrr --label a=b=c --label d --drain 5 --scheduler wrr",
      "/v1/services/web",
      {
        networks: [{ network: "mynet", aliases: ["site"] }],
        ports: [
          { target: 80, published: 8080 },
          { target: 53, published: 0, protocol: "udp" },
          { target: 9, name: "m" },
        ],
        mode: "dnsrr",
        balance: { scheduler: "wrr", drain: 5 },
        labels: { a: "b=c", d: "" },
      },
    ],
    [
      "service create web -p 8000-8010:9000-9010",
      "/v1/services/web",
      { ports: [{ target: "9000-9010", published: "8000-8010" }] },
    ],
    ["service create web --network name=", "", "--network: name= says nothing in name="],
    [
      "service create web --network mynet,alias=x",
      "",
      "--network: there is no mynet in mynet,alias=x; there are name, alias, vip, vip6",
    ],
    ["container create web --network ''", "", "--network: must be a network, or name=NETWORK and more, not nothing"],
    ["service create web -p http", "", "--publish: must be 8080:80/tcp, 80 or target=80,published=8080, not http"],
    [
      "service create web -p target=80,prot=udp",
      "",
      "--publish: there is no prot in target=80,prot=udp; there are target, published, protocol, mode, name, traffic, source",
    ],
    ["service create web --drain soon", "", "--drain: must be a whole number, not soon"],
    ["task create --service web --slot 3 --weight 5", "/v1/tasks/web.3", { service: "web", slot: 3, weight: 5 }],
    ["task create --service web", "/v1/tasks/web.node-1", { service: "web" }],
    ["task create", "", "a task is of a service: --service NAME"],
    [
      "container create c --network a --ip 10.0.0.5 --link db:database --network-alias x",
      "",
      "Unknown option '--network-alias'; eleven container create --help lists what there is",
    ],
    [
      "container create c --network a --ip 10.0.0.5 --link db:database --hostname h",
      "/v1/containers/c",
      { endpoints: [{ network: "a", ip4: "10.0.0.5", links: [{ target: "db", alias: "database" }] }], hostname: "h" },
    ],
    ["container create c --ip 10.0.0.5", "", "--ip is about a network: --network NAME --ip 10.0.0.5"],
    [
      "sandbox create --container c --netns n1 --listen [::1]:53 --listen 127.0.0.1:5300 --upstream 9.9.9.9 --upstream address=10.1.1.1,domain=corp",
      "/v1/sandboxes/c",
      {
        member: { kind: "container", id: "c" },
        netns: "n1",
        listen: [
          { address: "::1", port: 53 },
          { address: "127.0.0.1", port: 5300 },
        ],
        upstreams: [{ address: "9.9.9.9" }, { address: "10.1.1.1", domains: ["corp"] }],
      },
    ],
    [
      "sandbox create s --task web.1 --container c",
      "",
      "--container or --task: a sandbox is of one of them, not of both",
    ],
    ["sandbox create", "", "a sandbox is somebody's: --container NAME or --task ID"],
    ["container create a/b?c", "/v1/containers/a%2Fb%3Fc", {}],
  ])("%s", async (words, path, body) => {
    agent.say({ [`PUT ${path}`]: written({ id: "it" }), "GET *": { body: {} } });
    const said = await run(words);
    const asked = agent.asked.filter((line) => !line.startsWith("GET"));
    if (path === "") expect([said, asked]).toEqual([`! ${body}\nexit 2`, []]);
    else expect([said, asked]).toEqual(["it", [`PUT ${path}${NEXT} If-None-Match: * ${JSON.stringify(body)}`]]);
  });

  test.each([
    ["service update web --label-add x=y --label-rm tier", { labels: { x: "y" } }],
    ["service update web --publish-add 443 --publish-rm 80", { ports: [{ target: 443, published: 0 }] }],
    [
      "service update web --network-add name=lan,vip=10.9.9.9",
      { networks: [...web.networks, { network: "lan", vip4: "10.9.9.9" }] },
    ],
    ["service update web --network-rm mynet --unset balance", { networks: [], balance: null }],
    ["service update web --ttl-stable 5", { ttl: { stable: 5 } }],
  ])("%s", async (words, body) => {
    agent.say({ ...WORLD, "PATCH /v1/services/web": written(web), "GET *": { body: {} } });
    expect([await run(words), agent.asked.at(-1)]).toEqual([
      "web",
      `PATCH /v1/services/web${NEXT} If-Match: "5" ${JSON.stringify(body)}`,
    ]);
  });

  const precondition = { status: 412, body: { status: 412, detail: "it is at revision 9" } };
  test.each<[string, Replies, string, string[]]>([
    [
      "service create web",
      { "PUT /v1/services/web": precondition },
      "! eleven: there is a service web already; eleven service update web changes it\nexit 4",
      [`PUT /v1/services/web${NEXT} If-None-Match: * {}`],
    ],
    [
      "service create web -p 99999:80",
      {
        "PUT /v1/services/web": {
          status: 400,
          body: {
            detail: "ports[0].published must be at most 65535, not 99999",
            errors: [{ pointer: "/ports/0/published", detail: "must be at most 65535, not 99999" }],
          },
        },
      },
      "! eleven: ports[0].published must be at most 65535, not 99999\nexit 2",
      [`PUT /v1/services/web${NEXT} If-None-Match: * {"ports":[{"target":80,"published":99999}]}`],
    ],
    [
      "service create new --network mynet --replicas 2",
      {
        "GET /v1/networks/mynet": { body: { ...mynet, id: "n-1" } },
        "GET /v1/services": { body: { revision: 7, items: [] } },
        "POST /v1/changes": written([]),
      },
      "new",
      [
        "GET /v1/networks/mynet",
        "GET /v1/services?name=new",
        `POST /v1/changes${NEXT} If-Match: "7" {"changes":[{"kind":"service.put","service":{"networks":[{"network":"n-1"}],"name":"new"}},{"kind":"task.put","task":{"service":"new","slot":1}},{"kind":"task.put","task":{"service":"new","slot":2}}]}`,
      ],
    ],
    [
      "service create web --replicas 2",
      {},
      "! eleven: there is a service web already; eleven service update web changes it\nexit 4",
      ["GET /v1/services?name=web"],
    ],
    [
      "service scale web=4 db=1",
      {
        "GET /v1/tasks": [{ body: { items: [task(1), task(2), task(4)] } }, { body: { items: [] } }],
        "POST /v1/changes": written([]),
      },
      "web is scaled to 4\ndb is scaled to 1",
      [
        ...["GET /v1/services/web", "GET /v1/tasks?service=web", "GET /v1/services/db", "GET /v1/tasks?service=db"],
        `POST /v1/changes${NEXT} {"changes":[{"kind":"task.put","task":{"service":"web","slot":3}},{"kind":"task.put","task":{"service":"db","slot":1}}]}`,
      ],
    ],
    [
      "service scale web=1 --wait drained --timeout 5",
      { "POST /v1/changes": written([]) },
      "web is scaled to 1",
      [
        ...["GET /v1/services/web", "GET /v1/tasks?service=web"],
        'POST /v1/changes?wait=drained&timeout=5 {"changes":[{"kind":"task.remove","id":"web.2"},{"kind":"task.remove","id":"web.4"}]}',
      ],
    ],
    ["service scale web=3", {}, "web is scaled to 3", ["GET /v1/services/web", "GET /v1/tasks?service=web"]],
    [
      "service scale web",
      {},
      "! must be SERVICE=REPLICAS, not web; eleven service scale web=5 is an example\nexit 2",
      [],
    ],
    ["service scale web=many", {}, "! web=many: the number of tasks must be 0 to 100000, not many\nexit 2", []],
    [
      "service update db --drain 3",
      { "PATCH /v1/services/db": [precondition, written(db)] },
      "db",
      [
        ...["GET /v1/services/db", `PATCH /v1/services/db${NEXT} If-Match: "6" {"balance":{"drain":3}}`],
        ...["GET /v1/services/db", `PATCH /v1/services/db${NEXT} If-Match: "6" {"balance":{"drain":3}}`],
      ],
    ],
    [
      "service update db",
      {},
      "! nothing to change; eleven service update --help lists what can be\nexit 2",
      ["GET /v1/services/db"],
    ],
    [
      "service rm web wbe db --no-wait",
      {
        "DELETE /v1/services/web": {
          status: 409,
          body: {
            status: 409,
            detail: 'service "web" is written in /etc/e.yaml:12; change it there, and eleven reload',
          },
        },
        "DELETE /v1/services/wbe": { status: 404, body: { status: 404, detail: 'there is no service "wbe"' } },
        "DELETE /v1/services/db": { body: { revision: 8 } },
      },
      text`
        db
        ! eleven: service "web" is written in /etc/e.yaml:12; change it there, and eleven reload
        ! eleven: there is no service "wbe"; did you mean web?
        exit 4
      `,
      ["DELETE /v1/services/web", "DELETE /v1/services/wbe", "GET /v1/services", "DELETE /v1/services/db"],
    ],
    [
      "service rm -f nobody",
      { "DELETE /v1/services/nobody": { status: 404, body: { status: 404, detail: "no" } } },
      "",
      [`DELETE /v1/services/nobody${NEXT}`],
    ],
    [
      "container create c --dry-run",
      { "PUT /v1/containers/c": { body: { revision: 8, object: { id: "c", endpoints: [] } } } },
      '{\n  "id": "c",\n  "endpoints": []\n}',
      ["PUT /v1/containers/c?dry_run=true If-None-Match: * {}"],
    ],
    [
      "container create c --timeout 2",
      {
        "PUT /v1/containers/c": {
          status: 202,
          body: {
            revision: 8,
            object: client,
            waited: "timeout",
            degraded: [{ target: "host", reason: "no nf_tables" }],
          },
        },
      },
      text`
        client
        ! eleven: degraded: host: no nf_tables
        ! eleven: written as revision 8, but not applied within 2 s; eleven status says why, eleven wait --revision 8 --for applied goes on waiting
        exit 124
      `,
      ["PUT /v1/containers/c?wait=applied&timeout=2 If-None-Match: * {}"],
    ],
    [
      "container create c --network mynte",
      { "GET /v1/networks/mynte": { status: 404, body: { status: 404, detail: 'there is no network "mynte"' } } },
      '! eleven: there is no network "mynte"; did you mean mynet?\nexit 3',
      ["GET /v1/networks/mynte", "GET /v1/networks"],
    ],
    [
      "sandbox create s --container client --no-wait",
      { "GET /v1/containers/client": { body: { ...client, id: LONG } }, "PUT /v1/sandboxes/s": written(sandbox) },
      "client",
      [
        "GET /v1/containers/client",
        `PUT /v1/sandboxes/s If-None-Match: * {"member":{"kind":"container","id":"${LONG}"}}`,
      ],
    ],
    [
      "container update client --network-add lan --network-rm mynet --no-wait",
      {
        "GET /v1/containers/client": {
          etag: "3",
          body: { ...client, endpoints: [{ network: "n-1" }, { network: "n-2", ip4: "10.2.0.2" }] },
        },
        "GET /v1/networks/mynet": { body: { ...mynet, id: "n-1" } },
        "GET /v1/networks/lan": { body: { id: "n-3" } },
        "PATCH /v1/containers/client": written(client),
      },
      "client",
      [
        ...["GET /v1/networks/mynet", "GET /v1/containers/client", "GET /v1/networks/lan"],
        'PATCH /v1/containers/client If-Match: "3" {"endpoints":[{"network":"n-2","ip4":"10.2.0.2"},{"network":"n-3"}]}',
      ],
    ],
    [
      "container rm abcdef012345 --no-wait",
      {
        "DELETE /v1/containers/abcdef012345": { status: 404, body: { status: 404, detail: "there is none" } },
        "GET /v1/containers": { body: { items: [{ id: LONG, name: "client" }] } },
      },
      `! eleven: there is none; did you mean ${LONG}?\nexit 3`,
      ["DELETE /v1/containers/abcdef012345", "GET /v1/containers"],
    ],
    [
      "container create c --network nte",
      {
        "GET /v1/networks/nte": { body: { id: "nte" } },
        "PUT /v1/containers/c": {
          status: 400,
          body: {
            status: 400,
            detail: "endpoints[0].ip4 is no address (and 1 more)",
            errors: [
              { pointer: "/endpoints/0/ip4", detail: "is no address" },
              { pointer: "/hostname", detail: "must be a string, not 5" },
            ],
          },
        },
      },
      text`
        ! eleven: endpoints[0].ip4 is no address (and 1 more)
        !   /endpoints/0/ip4: is no address
        !   /hostname: must be a string, not 5
        exit 2
      `,
      ["GET /v1/networks/nte", `PUT /v1/containers/c${NEXT} If-None-Match: * {"endpoints":[{"network":"nte"}]}`],
    ],
  ])("%s", async (words, replies, expected, asked) => {
    agent.say({ ...WORLD, ...replies });
    expect([await run(words), agent.asked]).toEqual([expected, asked]);
  });
});
