/** What came as JSON from elsewhere, looked at a field at a time: nothing is taken for granted about it. */

export type Json = Readonly<Record<string, unknown>>;

/** As objects, if it is a list of them; else none. */
export const list = (value: unknown): readonly Json[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];

/** Its fields; none, if it is no object. */
export const fields = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
