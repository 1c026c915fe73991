/** What a lookup says: records, or one of six constants compared by identity (nothing is allocated on the query road). */
import type { RRSet } from "../wire/rrset.ts";

const constant = (): RRSet => Object.freeze({ type: 0, ttl: 0, count: 0, size: 0, data: "" });

/** The name is ours and has no record of this type. */
export const NODATA = constant();
/** The name would be ours and does not exist. */
export const NXDOMAIN = constant();
/** Not ours: ask upstream. */
export const FORWARD = constant();
/** Not ours, a single label, and the sandbox has an ndots option: answered with NODATA, so that the client goes on with its search list. */
export const SEARCH = constant();
/** Not ours, and nothing may leave this sandbox. */
export const BLOCKED = constant();
/** As BLOCKED, but names of ours are below this one: NXDOMAIN for it would deny those, too (RFC 8020). */
export const BLOCKED_ABOVE = constant();

/** An RRset, or NODATA, NXDOMAIN, FORWARD, SEARCH, BLOCKED, BLOCKED_ABOVE. */
export type Outcome = RRSet;
