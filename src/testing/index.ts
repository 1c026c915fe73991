/** `eleven-dns/testing`: for tests of what is built on this package, and of backends and stores for it. Re-exports only. */

export { FakeBackend, type FakeCall, type FakeFailure } from "../lb-programmer/backends/fake.ts";
export { type BackendLimits, backendCases } from "./backend.ts";
export type { Case } from "./case.ts";
export type { Limits } from "./random-state.ts";
export { opText, parseState, stateText } from "./state-text.ts";
export { storeCases } from "./store.ts";
export type { Subject } from "./subject.ts";
