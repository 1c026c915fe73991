import { memoryStore } from "../../src/registry/stores/memory.ts";
import { storeConformance } from "../conformance/store.ts";

storeConformance("memory", async () => memoryStore());
