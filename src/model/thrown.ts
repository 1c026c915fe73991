/** What was thrown, as text. Anything can be thrown, also what has no text or refuses to give it. */
export function thrownText(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "something that can't be shown";
  }
}

/** What an emitter is told to do with what a listener throws. */
export const listenerThrew =
  (say: (message: string) => void) =>
  (error: unknown, event: string): void =>
    say(`a listener of "${event}" has thrown: ${thrownText(error)}`);
