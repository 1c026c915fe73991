/** zod's complaints, each with its place in the file. */
import type { z } from "zod";
import { tellIssues } from "../model/issues.ts";
import type { Problem } from "./problems.ts";
import type { Source } from "./source.ts";

export const schemaProblems = (issues: readonly z.core.$ZodIssue[], source: Source): Problem[] =>
  tellIssues(issues, { list: "a list", object: "a mapping" }).map(({ place, message, key }) =>
    source.problem(place, message, key),
  );
