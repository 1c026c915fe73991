/**
 * A worker thread's whole life: wait in epoll, answer what came, take patches between two turns. There is no event loop
 * in here: no promise is ever awaited, no timer set; deadlines are epoll's time-out. Nor is there any right: what takes one,
 * the main thread does.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { createForwarderCore } from "../../forwarder/core/core.ts";
import type { ExchangeEvents } from "../../forwarder/core/exchange.ts";
import { createRandom16 } from "../../forwarder/io/random.ts";
import { Batch } from "../../os/batch.ts";
import { dropCapabilities } from "../../os/caps.ts";
import { Descriptors } from "../../os/descriptors.ts";
import { Poll, rest, wake } from "../../os/poll.ts";
import { goFirst } from "../../os/priority.ts";
import { Answerer } from "../answerer.ts";
import { createServing } from "../serve.ts";
import { PolledTcp } from "../transports/polled-tcp.ts";
import type { OnReady } from "../transports/transport.ts";
import { counterWriter } from "./counters.ts";
import { PollExchange } from "./exchange.ts";
import { ListeningSockets } from "./listening-sockets.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./messages.ts";

/** Patches above this many elements are followed by a turn for those who ask. */
const LARGE = 1_000;

const setup = workerData as WorkerSetup;
const port = parentPort as MessagePort;
goFirst(); // an answer takes microseconds; a collection of garbage on the main thread may well wait for it
dropCapabilities();

const poll = new Poll();
const descriptors = new Descriptors(setup.descriptors);
descriptors.own(poll.descriptor);
const onReady: OnReady = new Map();
const now = () => performance.now();
const events: ExchangeEvents = {
  received: (lane, packet) => core.received(lane, packet),
  failed: (lane, reason) => core.failed(lane, reason),
};
const exchange = new PollExchange({
  poll,
  onReady,
  descriptors,
  events,
  wanted: (lane) => say({ kind: "open", ...lane }),
});
const core = createForwarderCore({
  exchange,
  now,
  random: createRandom16(),
  options: setup.forwarder,
  onHealth: ({ address, port, netns }, up) => say({ kind: "upstream", upstream: { address, port, netns }, up }),
});
const answerer = new Answerer(createServing(setup.serving), core, ({ message }) => say({ kind: "trouble", message }));
const tcp = new PolledTcp({ poll, onReady, descriptors, now, most: setup.connections });
const listening = new ListeningSockets({ poll, onReady, answerer, tcp, batch: new Batch() });
const countServing = counterWriter(answerer.serving.counters, setup.serveCounters);
const countForwarding = counterWriter(core.counters, setup.forwardCounters);
let running = true;
let draining: { readonly tokens: readonly number[]; readonly until: number } | undefined;

poll.add(setup.wake);
takeMessages();
while (running) {
  const ready = poll.wait(patience());
  for (let i = 0; i < ready; i++) turn(poll.fd(i), ready > 1);
  exchange.settle();
  if (core.nextDeadline() !== Number.POSITIVE_INFINITY && now() >= core.nextDeadline()) core.tick();
  if (tcp.nextDeadline() !== Number.POSITIVE_INFINITY) tcp.tick();
  if (draining !== undefined) drain();
  countServing();
  countForwarding();
}
core.close();
listening.close();
port.close();

/** An exception costs whoever's turn it was; a change that can't be taken must not pass: then another worker starts anew. */
function turn(fd: number, busy: boolean) {
  if (fd === setup.wake) return takeMessages();
  try {
    onReady.get(fd)?.ready(busy);
  } catch (error) {
    answerer.threw(error);
  }
}

/** Milliseconds until somebody wants to look at the clock; -1: nobody does. */
function patience(): number {
  const at = Math.min(core.nextDeadline(), tcp.nextDeadline(), draining?.until ?? Number.POSITIVE_INFINITY);
  return at === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil(at - now()));
}

function drain(): void {
  if (core.inFlight > 0 && now() < draining!.until) return;
  core.close(); // which tells those who still wait
  for (const token of draining!.tokens) say({ kind: "done", token });
  draining = undefined;
}

function takeMessages() {
  rest(setup.wake); // first: what is posted from here on wakes us again
  for (;;) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) return;
    const message = received.message as ToWorker;
    take(message);
    if (message.kind === "patch" && message.patch.names.length > LARGE) return wake(setup.wake);
  }
}

function take(message: ToWorker): void {
  switch (message.kind) {
    case "patch":
      answerer.update(message.patch);
      return;
    case "listen":
      try {
        listening.listen(message.pair, message.address, message.given);
      } catch (error) {
        say({ kind: "trouble", message: `${message.address}: ${error instanceof Error ? error.message : error}` });
      }
      return;
    case "unlisten":
      listening.unlisten(message.pair);
      say({ kind: "done", token: message.token });
      return;
    case "lane":
      exchange.opened(message.lane, message.fd);
      return;
    case "noLane":
      exchange.notOpened(message.lane, message.reason);
      return;
    case "flush":
      core.flush();
      return;
    case "mark":
      say({ kind: "done", token: message.token });
      return;
    case "drain":
      listening.stopReading();
      draining = {
        tokens: [...(draining?.tokens ?? []), message.token],
        until: Math.min(draining?.until ?? Number.POSITIVE_INFINITY, now() + message.ms),
      };
      return;
    case "stop":
      running = false;
  }
}

function say(message: FromWorker): void {
  port.postMessage(message);
}
