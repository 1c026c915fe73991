/** What a command that ends has to say: on standard output, all of it. */

const gone = new AbortController();

/** Aborted when whoever read standard output has gone: then what would go on printing for ever ends. */
export const unread: AbortSignal = gone.signal;

/** That nobody reads to the end (`| head`) is no error; a disk that is full is one. */
export function print(text: string): void {
  if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", unwritten);
  process.stdout.write(`${text}\n`);
}

function unwritten({ code }: NodeJS.ErrnoException): void {
  if (code === "EPIPE") {
    gone.abort();
    return;
  }
  complain(`eleven: standard output can't be written: ${code}`);
  process.exitCode = 1;
}

/** On standard error, if that is there. */
export function complain(text: string): void {
  if (process.stderr.listenerCount("error") === 0) process.stderr.on("error", () => {});
  process.stderr.write(`${text}\n`);
}
