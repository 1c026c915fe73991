/** Text that others gave us, as it stands in an error. */

const MOST = 200;

/** All of it if it is short, else its beginning: an error is read by people, and kept in logs. */
export function brief(text: string): string {
  if (text.length <= MOST) return text;
  return `${text.slice(0, MOST).replace(HALF, "")}… (${text.length} characters)`;
}

/** A character that was cut in two. */
const HALF = /[\ud800-\udbff]$/;
