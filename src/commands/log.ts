/** The log of `eleven serve`: one JSON object a line on standard error, and nothing that it is told can harm whoever logs or reads. */
import type { Notice } from "../model/notice.ts";
import { type Line, LogLimit } from "./log-limit.ts";
import { Output } from "./output.ts";

/** Says it, unless it is said too often. Never throws, never waits. */
export const log: Notice = (message, level = "warn") => {
  write(limit.say(message.slice(0, LONGEST), level, performance.now()));
  wakeLater();
};

/** Lines that were asked for: all of them, however often. */
export function report(lines: readonly string[]): void {
  write(lines.map((message) => ({ level: "info", message: message.slice(0, LONGEST) })));
}

/** From now on, what ends the process is said in the log, and so is what node would write to standard error in its own way. */
export function logEverything(): void {
  process.removeAllListeners("warning").on("warning", ({ name, message }) => log(`${name}: ${message}`));
  // Node's own way waits for a reader, for ever if there is none, and a supervisor would think that we live.
  process.on("uncaughtException", (error: unknown) => {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    write([{ level: "error", message: what.slice(0, LONGEST) }]);
    process.exit(1);
  });
}

/** Of a message; what comes from elsewhere may be of any length. */
const LONGEST = 2_000;
const WAKE_EVERY = 1_000;

const limit = new LogLimit(performance.now());
const output = new Output(2, (lost) =>
  text({ level: "warn", message: `log lines lost, because nothing took them: ${lost}` }),
);
let timer: NodeJS.Timeout | undefined;

/** What is counted is said in the end, though nothing more comes. */
function wakeLater(): void {
  if (timer !== undefined || !limit.waiting) return;
  timer = setTimeout(() => {
    timer = undefined;
    write(limit.due(performance.now()));
    wakeLater();
  }, WAKE_EVERY).unref();
}

function write(lines: readonly Line[]): void {
  for (const line of lines) output.write(text(line));
}

/** Its time is when it was said, not when its turn came: a refusal that is told behind what mended it would be read as a new one. */
const timed = ({ last, ...line }: Line): object => {
  const ago = last === undefined ? 0 : performance.now() - last;
  return { time: new Date(Date.now() - ago).toISOString(), ...line };
};

/** JSON escapes the control characters below 32; terminals obey others, too, and some turn the direction of writing. */
const text = (line: Line): string =>
  JSON.stringify(timed(line)).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
