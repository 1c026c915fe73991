/**
 * A worker thread's whole life: wait in epoll, answer what came, take patches between two batches. There is no event loop
 * in here: no promise is ever awaited, no timer set; deadlines are epoll's time-out.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { createForwarderCore } from "../../forwarder/core.ts";
import { createRandom16 } from "../../forwarder/random.ts";
import { Batch } from "../../os/batch.ts";
import { Poll, rest } from "../../os/poll.ts";
import { goFirst } from "../../os/priority.ts";
import { Answerer } from "../answerer.ts";
import { Senders } from "../binding.ts";
import { createServing } from "../serve.ts";
import { BatchedUdp } from "../transports/batched.ts";
import { writeCounters } from "./counters.ts";
import { createPollExchange } from "./exchange.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./messages.ts";

const setup = workerData as WorkerSetup;
const port = parentPort as MessagePort;
const poll = new Poll();
const batch = new Batch();
/** What to do when a descriptor is ready. */
const onReady = new Map<number, { ready(): void }>();
const sockets = new Map<number, BatchedUdp>();
const now = () => performance.now();
const exchange = createPollExchange(poll, onReady, {
  received: (lane, packet) => core.received(lane, packet),
  failed: (lane, reason) => core.failed(lane, reason),
});
const core = createForwarderCore({ exchange, now, random: createRandom16(), options: setup.forwarder });
const answerer = new Answerer(createServing(setup.serving), core, () => {});
let running = true;
let drained: (() => void) | undefined;

goFirst(); // an answer takes microseconds; a collection of garbage on the main thread may well wait for it
onReady.set(setup.wake, { ready: takeMessages });
poll.add(setup.wake);
takeMessages();
while (running) {
  const ready = poll.wait(patience());
  for (let i = 0; i < ready; i++) onReady.get(poll.fd(i))?.ready();
  exchange.settle();
  if (core.nextDeadline() !== Number.POSITIVE_INFINITY && now() >= core.nextDeadline()) core.tick();
  if (drained !== undefined && core.inFlight === 0) drained();
  writeCounters(answerer.serving.counters, setup.counters);
}
core.close();
poll.close();
port.close();

/** Milliseconds until the forwarder wants to look at the clock; -1: it does not. */
function patience(): number {
  const at = core.nextDeadline();
  return at === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil(at - now()));
}

function takeMessages(): void {
  rest(setup.wake); // first: what is posted from here on wakes us again
  for (;;) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return;
    take(received.message as ToWorker);
  }
}

function take(message: ToWorker): void {
  switch (message.kind) {
    case "patch":
      answerer.update(message.patch);
      return;
    case "listen":
      listen(message.fd, message.address, sendersOf(message.given));
      return;
    case "unlisten":
      unlisten(message.fd);
      say({ kind: "done", token: message.token });
      return;
    case "mark":
      say({ kind: "done", token: message.token });
      return;
    case "drain":
      for (const fd of sockets.keys()) poll.remove(fd);
      drained = () => {
        drained = undefined;
        say({ kind: "done", token: message.token });
      };
      return;
    case "stop":
      running = false;
  }
}

function listen(fd: number, address: string, senders: Senders): void {
  const known = sockets.get(fd);
  if (known !== undefined) {
    known.senders = senders;
    return;
  }
  const socket = new BatchedUdp(fd, address, answerer, senders, batch);
  try {
    poll.add(fd);
  } catch (error) {
    say({ kind: "trouble", message: `${address}: ${error instanceof Error ? error.message : error}` });
    return;
  }
  sockets.set(fd, socket);
  onReady.set(fd, socket);
}

function unlisten(fd: number): void {
  const socket = sockets.get(fd);
  if (socket === undefined) return;
  socket.close();
  poll.remove(fd);
  sockets.delete(fd);
  onReady.delete(fd);
}

function sendersOf(given: readonly { sandbox: string; source: readonly string[] | undefined }[]): Senders {
  const senders = new Senders();
  for (const { sandbox, source } of given) senders.add(sandbox, source);
  return senders;
}

function say(message: FromWorker): void {
  port.postMessage(message);
}
