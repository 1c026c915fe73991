/** What a command that ends has to say: on standard output, all of it. */

/** That nobody reads to the end (`| head`) is no error; a disk that is full is one. */
export function print(text: string): void {
  if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", unwritten);
  process.stdout.write(`${text}\n`);
}

function unwritten({ code }: NodeJS.ErrnoException): void {
  if (code === "EPIPE") return;
  complain(`eleven: standard output can't be written: ${code}`);
  process.exitCode = 1;
}

/** On standard error, if that is there. */
export function complain(text: string): void {
  if (process.stderr.listenerCount("error") === 0) process.stderr.on("error", () => {});
  process.stderr.write(`${text}\n`);
}
