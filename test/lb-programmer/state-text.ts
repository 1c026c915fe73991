/** Balancing states as text: in the package, since the suites that other people run need it, too. */
export * from "../../src/testing/state-text.ts";
