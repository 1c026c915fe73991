/**
 * Text that others wrote, safe on a terminal: names, labels and answers come from whoever may use the API, and from servers anywhere.
 * What would steer the terminal, or turn the direction of writing, is shown as its code.
 */

export const plain = (text: string): string => text.replace(STEERS, code);

/** JSON is escaped below 32 already, and its line ends are meant. */
export const plainJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(STEERS_BEYOND_JSON, code);

/** Several lines that are meant as such. */
export const plainLines = (text: string): string => text.split("\n").map(plain).join("\n");

const STEERS_BEYOND_JSON = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const STEERS = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

const code = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
