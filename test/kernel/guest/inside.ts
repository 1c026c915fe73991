/** Entry of the suite inside the guest: the parts named in E11_PARTS, separated by semicolons. */
import { PARTS } from "./suite.ts";

const parts = new Map(Object.values(PARTS).flatMap((some) => Object.entries(some)));
for (const part of process.env["E11_PARTS"]?.split(";") ?? []) parts.get(part)?.();
