/** Bytes as text in tests: hex with spaces. */

export const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ""), "hex");
