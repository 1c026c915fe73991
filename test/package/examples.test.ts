/** The examples, copied as they are beside an installed package: each ends by itself and says what it should. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";

const run = promisify(execFile);
const consumer = inject("consumer");
const TSX = import.meta.resolve("tsx"); // Node 20 reads no TypeScript by itself

const SAID: Readonly<Record<string, string>> = {
  "backend.ts": `\
not tried: what others put there is not seen and stays: this backend's namespaces have nothing of others
not tried: what somebody removed is seen as missing, and comes back: nobody can
not tried: what somebody removed is told to those who watch; our own changes are not: nobody can
not tried: a namespace that is gone is an LbError that says so: it can't go away
35 cases, none failed
server web/mynet/4 10.0.1.2 mark 256 arriving rr
  10.0.1.3 1
  10.0.1.4 1
  10.0.1.5 1
server web/mynet/6 fd00:11:1::2 mark 257 arriving rr
  fd00:11:1::3 1
  fd00:11:1::4 1
  fd00:11:1::5 1
address 10.0.1.2 lo
address fd00:11:1::2 lo
snat 10.0.1.0/24 to 10.0.1.254
sysctl net/ipv4/conf/all/send_redirects 0
sysctl net/ipv4/conf/lo/send_redirects 0
sysctl net/ipv4/ip_forward 1
sysctl net/ipv6/conf/all/forwarding 1
sysctl net/ipv6/icmp/ratemask 0,3-127
`,
  "doh.ts": `\
web: 10.0.1.2  (application/dns-message)
tasks.web: 10.0.1.3 10.0.1.4 10.0.1.5  (application/dns-message)
9.web: rcode 3  (application/dns-message)
`,
  "embed.ts": `\
db: 10.0.1.2
database: 10.0.1.2
db.mynet: 10.0.1.2
10.0.1.2: db.mynet
web: 10.0.1.3
`,
  "store.ts": `\
revision 1: network.put, service.put, task.put, task.put
revision 2: task.put
revision 3: task.remove
after a restart: web.2 has 10.0.0.4
web.2: the port is taken
web.2: good again
`,
};

test("each example is tried", () => {
  const programs = readdirSync(`${consumer}/node_modules/eleven-dns/examples`).filter((file) => file.endsWith(".ts"));
  expect(programs.sort()).toEqual(Object.keys(SAID));
});

test.each(Object.entries(SAID))("%s", async (file, said) => {
  const { stdout, stderr } = await run(process.execPath, ["--import", TSX, file], { cwd: consumer, timeout: 60_000 });
  expect(stderr).toBe("");
  expect(stdout).toBe(said);
});
