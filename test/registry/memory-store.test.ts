import { memoryStore } from "../../src/registry/stores/memory.ts";
import { storeCases } from "../../src/testing/store.ts";
import { runCases } from "../support/cases.ts";

runCases(
  "store: memory",
  storeCases(async () => memoryStore()),
);
