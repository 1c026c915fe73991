/** The JSON Schema of the config file, for editors. */
import { z } from "zod";
import { schema } from "./schema.ts";

export const configJsonSchema = (): object => ({
  ...z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }),
  title: "eleven config file",
});
