/** What fast-check draws in a run with mutants, and how long it may: most mutants are noticed by the first few draws. */
import fc from "fast-check";

fc.configureGlobal({ seed: 11, interruptAfterTimeLimit: 200 });
