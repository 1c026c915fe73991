/** What fast-check draws, for a run with mutants. */
import fc from "fast-check";

fc.configureGlobal({ seed: 11 });
