/** JSON merge patches (RFC 7396), made of an object as it is into fields as a patch of ours has them, which takes whole fields. */
import { Problem } from "./problem.ts";

/** No object of ours comes near it; each level is a call within a call. */
const DEEPEST = 32;

/** null of a field stays null: back to the default. Within a field it takes away what is there. */
export function merged(object: object, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  return Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [name, isObject(value) ? merge(own(object, name), value) : value]),
  );
}

function merge(target: unknown, patch: Fields, depth = 0): Fields {
  if (depth > DEEPEST) throw new Problem("invalid", `the body is more than ${DEEPEST} levels deep`);
  const fields = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch))
    if (value === null) fields.delete(name);
    else fields.set(name, isObject(value) ? merge(fields.get(name), value, depth + 1) : value);
  return Object.fromEntries(fields);
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const own = (object: object, name: string): unknown =>
  Object.hasOwn(object, name) ? (object as Fields)[name] : undefined;
