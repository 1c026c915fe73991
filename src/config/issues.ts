/** zod's complaints in our words, each with its place in the file. */
import type { z } from "zod";
import type { Path } from "./options.ts";
import type { Problem } from "./problems.ts";
import type { Source } from "./source.ts";

/** zod's issues in our words, unions resolved to the form that was meant. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], source: Source, around: Path = []): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = [...around, ...(issue.path as Path)];
    switch (issue.code) {
      case "invalid_union":
        return schemaProblems(meant(issue.errors), source, path);
      case "unrecognized_keys":
        return issue.keys.map((key) => source.problem([...path, key], "is no key that is known here", true));
      case "invalid_value":
        return [source.problem(path, `must be ${issue.values.map((v) => `"${String(v)}"`).join(" or ")}`)];
      case "invalid_type":
        return [
          source.problem(
            path,
            issue.message.includes("undefined") ? "is missing" : `must be ${article(issue.expected)}`,
          ),
        ];
      case "too_small":
        return [source.problem(path, `must be at least ${issue.minimum}${issue.origin === "array" ? " long" : ""}`)];
      case "too_big":
        return [source.problem(path, `must be at most ${issue.maximum}`)];
      case "invalid_key":
        return schemaProblems(issue.issues, source, path);
      default:
        return [source.problem(path, issue.message.replace(/^Invalid input: /, ""))];
    }
  });
}

/** Of a union's branches, the one whose complaint lies deepest or is not about the type as such: that form was written. */
function meant(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const score = (issues: readonly z.core.$ZodIssue[]) =>
    Math.max(...issues.map((i) => i.path.length * 2 + (i.code === "invalid_type" && i.path.length === 0 ? 0 : 1)));
  return [...branches].sort((a, b) => score(b) - score(a))[0] ?? [];
}

const article = (type: string): string => {
  const words: Record<string, string> = {
    object: "a mapping",
    record: "a mapping",
    array: "a list",
    int: "a whole number",
  };
  return words[type] ?? `a ${type}`;
};
