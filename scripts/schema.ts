/** Writes examples/eleven.schema.json. The tests say when it is stale. */
import { writeFileSync } from "node:fs";
import { configJsonSchema } from "../src/config/json-schema.ts";

writeFileSync("examples/eleven.schema.json", `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
