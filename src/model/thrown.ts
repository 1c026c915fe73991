/** What was thrown, as text. Anything can be thrown, also what has no text or refuses to give it. */
export function thrownText(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "something that can't be shown";
  }
}
