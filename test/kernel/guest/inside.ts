/** Entry of the suite inside the guest: the parts named in E11_PARTS. */
import { PARTS } from "./suite.ts";

for (const part of process.env["E11_PARTS"]?.split(",") ?? []) PARTS[part]?.();
