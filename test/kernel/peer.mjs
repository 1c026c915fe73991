/**
 * A process in a namespace of the test's: a task that answers, a client that asks, or both. Plain JavaScript, so that it starts in
 * 40 ms. Told what to do over IPC as { id, do, … }, says { id, result } or { id, error }.
 *
 * As a task it answers each line (TCP) or datagram (UDP) with "<name> <client address>".
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

/** As in until.ts. */
const PATIENCE = Number(process.env.E11_PATIENCE ?? 1);

/**
 * Source ports of `ask`, each once and below those that the kernel chooses: IPVS knows a closed connection for two minutes, and what comes
 * from its port is of it, whatever the service has become.
 */
let nextPort = 10_000;

const held = new Map();
const servers = [];
let loading;

const actions = {
  /** Listens at each of the addresses, TCP and UDP. */
  async serve({ name, addresses, port }) {
    const plain = (address) => address.replace(/^::ffff:/, "");
    for (const address of addresses) {
      const server = createServer((socket) => {
        const answer = `${name} ${plain(socket.remoteAddress)}\n`;
        socket.on("data", (data) => socket.write(answer.repeat(String(data).split("\n").length - 1)));
        socket.on("error", () => {});
      });
      const udp = createSocket(address.includes(":") ? "udp6" : "udp4");
      udp.on("message", (_, from) => udp.send(`${name} ${plain(from.address)}`, from.port, from.address));
      await new Promise((resolve, reject) => server.on("error", reject).listen(port, address, 1024, resolve));
      await new Promise((resolve) => udp.bind(port, address, resolve));
      servers.push(server, udp);
    }
  },

  /** Listens no more. */
  async close() {
    for (const server of servers.splice(0)) server.close();
  },

  /** Answers of `count` connections or datagrams, each from a port of its own; a failure is "error <code>". */
  async ask({ to, port, protocol = "tcp", count = 1, together = 20, timeout = 2000 }) {
    const one = protocol === "tcp" ? askTcp : askUdp;
    const answers = [];
    const worker = async () => {
      while (answers.length < count) {
        const at = answers.push(undefined) - 1;
        answers[at] = await one(to, port, timeout, freshPort());
      }
    };
    await Promise.all(Array.from({ length: Math.min(together, count) }, worker));
    return answers;
  },

  /** Sends so many octets and a newline on one connection; the answer. */
  push: ({ to, port, octets }) => askTcp(to, port, 10_000, undefined, `${"x".repeat(octets)}\n`),

  /** Milliseconds that each of `count` connections took from connect to its answer; to each of the addresses in turn. */
  async time({ to, port, count, together }) {
    const times = [];
    let left = count;
    const worker = async () => {
      while (left-- > 0) {
        const started = performance.now();
        const answer = await askTcp(to[Math.max(0, left) % to.length], port, 5000);
        if (answer.startsWith("error")) throw new Error(answer);
        times.push(performance.now() - started);
      }
    };
    await Promise.all(Array.from({ length: together }, worker));
    return times;
  },

  /** Opens a connection (or a UDP socket) that stays; `line` says who answers on it now. */
  async hold({ key, to, port, protocol = "tcp", timeout }) {
    held.set(key, protocol === "tcp" ? holdTcp(to, port) : holdUdp(to, port));
    return actions.line({ key, timeout });
  },
  line: ({ key, timeout = 2000 }) => held.get(key).line(timeout),
  async drop({ key }) {
    held.get(key).end();
    held.delete(key);
  },

  /** Ends whatever is held or goes on. */
  async release() {
    if (loading) loading.stop = true;
    for (const key of [...held.keys()]) await actions.drop({ key });
  },

  /** Connects all the time until `rest`. */
  async load({ to, port, together = 8 }) {
    const run = { stop: false, good: 0, bad: [], done: undefined };
    const worker = async () => {
      while (!run.stop) {
        const answer = await askTcp(to, port, 2000);
        if (answer.startsWith("error")) run.bad.push(answer);
        else run.good++;
      }
    };
    run.done = Promise.all(Array.from({ length: together }, worker));
    loading = run;
  },
  async loaded() {
    return loading.good;
  },
  async rest() {
    loading.stop = true;
    await loading.done;
    return { good: loading.good, bad: loading.bad };
  },
};

function freshPort() {
  if (nextPort === 32_000) nextPort = 10_000;
  return nextPort++;
}

function askTcp(to, port, timeout, localPort, question) {
  const connection = holdTcp(to, port, localPort);
  return connection.line(timeout, question).finally(() => connection.end());
}

function askUdp(to, port, timeout, localPort) {
  const flow = holdUdp(to, port, localPort);
  return flow.line(timeout).finally(() => flow.end());
}

function holdTcp(to, port, localPort) {
  const socket = connect({ host: to, port, localPort, noDelay: true });
  return holder(
    socket,
    "data",
    (line) => socket.write(line),
    () => socket.destroy(),
  );
}

/** Connected, so that "port unreachable" is heard of. */
function holdUdp(to, port, localPort) {
  const socket = createSocket(to.includes(":") ? "udp6" : "udp4");
  if (localPort !== undefined) socket.bind(localPort);
  const connected = new Promise((resolve) => socket.connect(port, to, resolve));
  const send = (line) => connected.then(() => socket.send(line));
  return holder(socket, "message", send, () => socket.close());
}

/** One line asked, one answered; after an error always that error. */
function holder(socket, event, send, end) {
  let failed;
  let told = () => {};
  socket.on(event, (data) => told(String(data).trim()));
  socket.on("error", (error) => {
    if (event === "data") failed = `error ${error.code}`; // a UDP socket goes on
    told(`error ${error.code}`);
  });
  socket.on("close", () => {
    failed ??= "error closed";
    told(failed);
  });
  const line = (timeout, question = "?\n") =>
    new Promise((resolve) => {
      if (failed) return resolve(failed);
      const timer = setTimeout(() => resolve("error timeout"), timeout * PATIENCE);
      told = (text) => {
        clearTimeout(timer);
        resolve(text);
      };
      send(question);
    });
  return { line, end };
}

process.on("message", async ({ id, do: action, ...rest }) => {
  try {
    process.send({ id, result: await actions[action](rest) });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
process.on("disconnect", () => process.exit());
process.send({ id: 0 });
